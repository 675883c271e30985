"""What goes over the border: inputs that monty can hold, and the program's value on its way back.

Left to itself monty hands out what it has no form for (a range, a function) as text. So a small program of ours, run
after the caller's in the same session, takes the value apart into a flat list of steps, and the host puts it together.
"""

import datetime
import decimal
import unicodedata
from typing import Any

from adapters.monty.decline import Decline
from host.values import MAX_DEPTH, Opaque, ValueFormatError

__all__ = ["LAST", "TAKE_APART", "check_inputs", "check_text", "put_together"]

LAST = "_understudy_last"
"""The name that the last expression's value is given."""

TAKE_APART = f"""
def _understudy_apart(value, depth, steps):
    kind = type(value).__name__
    if kind in ('NoneType', 'bool', 'float', 'str', 'bytes', 'Decimal', 'date', 'datetime', 'time', 'timedelta'):
        steps.append(('v', value))
    elif kind == 'int':
        steps.append(('v', value) if -(2 ** 4096) < value < 2 ** 4096 else ('i', hex(value)))
    elif depth >= {MAX_DEPTH}:
        steps.append(('e', 0))
        return False
    elif kind in ('list', 'tuple', 'deque', 'range', 'dict_keys', 'dict_values', 'dict_items', 'set', 'frozenset'):
        count = 0
        for each in value:
            if not _understudy_apart(each, depth + 1, steps):
                return False
            count += 1
        steps.append(('s' if kind in ('set', 'frozenset') else 't' if kind == 'tuple' else 'l', count))
    elif kind in ('dict', 'Counter', 'defaultdict'):
        for key, each in value.items():
            if not (_understudy_apart(key, depth + 1, steps) and _understudy_apart(each, depth + 1, steps)):
                return False
        steps.append(('d', len(value)))
    else:
        steps.append(('o', (kind, repr(value)[:1000])))
    return True

_understudy_steps = []
_understudy_apart({{expression}}, 0, _understudy_steps)
_understudy_steps
"""

_PLAIN = (bool, int, float, str, bytes, decimal.Decimal, datetime.date, datetime.time, datetime.timedelta)
_MAX_INPUT_DEPTH = 24
_MAX_INTEGER_BITS = 4096


def check_inputs(value: Any, depth: int = 0) -> None:
    """Whether monty can hold an input as CPython would.

    Raises:
        Decline: it cannot.
    """
    if depth > _MAX_INPUT_DEPTH:
        raise Decline(None, "an input", f"it is nested deeper than {_MAX_INPUT_DEPTH} levels")
    if type(value) is str:
        check_text(value, "an input")
    elif type(value) is int:
        if value.bit_length() > _MAX_INTEGER_BITS:
            raise Decline(None, "an input", "an integer is too long")
    elif type(value) is float:
        if value != value:
            raise Decline(None, "an input", "not a number (nan) compares in another way in lists")
    elif type(value) is list:
        for each in value:
            check_inputs(each, depth + 1)
    elif type(value) is dict:
        if any(type(key) not in (str, int) for key in value):
            raise Decline(None, "an input", "a map has keys that are neither texts nor integers")
        for key, each in value.items():
            check_inputs(key, depth + 1)
            check_inputs(each, depth + 1)
    elif value is not None and not isinstance(value, _PLAIN):
        raise Decline(None, "an input", f"monty has no {type(value).__name__}")


def check_text(text: str, what: str) -> None:
    """Whether text means the same to monty: characters that its tables and CPython's may know differently do not.

    Raises:
        Decline: it may not.
    """
    if text.isascii():
        return
    for char in set(text):
        category = unicodedata.category(char)
        if category in ("Cs", "Cn") or (category == "Nd" and not char.isascii()):
            raise Decline(None, what, f"monty may read the character U+{ord(char):04X} differently")


def put_together(steps: list[tuple[str, Any]]) -> Any:
    """The value that the steps describe.

    Raises:
        ValueFormatError: it is nested too deep.
    """
    stack: list[Any] = []
    for kind, what in steps:
        if kind == "v":
            stack.append(what)
        elif kind == "i":
            stack.append(int(what, 16))
        elif kind == "o":
            stack.append(Opaque(*what))
        elif kind == "e":
            raise ValueFormatError(f"the value is nested deeper than {MAX_DEPTH} levels, or contains itself")
        else:
            stack.append(_container(kind, _last(stack, what * 2 if kind == "d" else what)))
    return stack.pop()


def _container(kind: str, parts: list[Any]) -> Any:
    if kind == "d":
        return dict(zip(parts[::2], parts[1::2], strict=True))
    if kind == "s":
        return set(parts)
    return tuple(parts) if kind == "t" else parts


def _last(stack: list[Any], count: int) -> list[Any]:
    taken = stack[len(stack) - count :]
    del stack[len(stack) - count :]
    return taken
