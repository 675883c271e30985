"""Modules that are imported on first use, and JSON without the package ``json``.

A guest starts for every run, and what it imports is most of that start: ``json`` alone brings ``re`` and ``enum``, as
much as all the rest of an interpreter. Most runs need neither dates nor decimals nor patterns.

This file is part of the Python guest: standard library only, Python 3.9 to 3.15.
"""

__all__ = ["Module", "json_dumps", "json_loads"]

_WHITESPACE = " \t\n\r"


class Module:
    """Stands for a module until something of it is wanted; what was wanted once is kept here."""

    def __init__(self, name):
        self.__dict__["__name__"] = name

    def __getattr__(self, attribute):
        value = self.__dict__[attribute] = getattr(__import__(self.__name__), attribute)
        return value


def json_loads(text, parse_constant=None):
    """``json.loads`` of text.

    Args:
        text: JSON.
        parse_constant: called with ``NaN``, ``Infinity`` or ``-Infinity``, which are not JSON; by default refused.

    Raises:
        ValueError: it is not JSON.
        RecursionError: it is nested deeper than the interpreter's stack allows.
    """
    scan = _strict_scanner if parse_constant is None else _scanner(parse_constant)
    start = 0
    while text[start : start + 1] in _SPACES:
        start += 1
    try:
        value, end = scan(text, start)
    except StopIteration as stop:
        raise ValueError(f"a value is expected at character {stop.value}") from None
    if text[end:].strip(_WHITESPACE):
        raise ValueError(f"there is more after the value, at character {end}")
    return value


def json_dumps(tree, *, sort_keys=False):
    """``json.dumps`` of a tree without loops, compact and in ASCII.

    Raises:
        ValueError: NaN or infinity.
        RecursionError: it is nested too deeply.
    """
    encode = _encoder(sort_keys=True) if sort_keys else _usual_encoder
    return "".join(encode(tree, 0))


def _refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


def _refuse_value(value):
    raise TypeError(f"{type(value).__name__} is not JSON")


_SPACES = frozenset(_WHITESPACE)


class _Context:
    """What the C scanner reads its options from."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int

    def __init__(self, parse_constant):
        self.parse_constant = parse_constant
        self.memo = {}


try:
    import _json

    def _scanner(parse_constant):
        return _json.make_scanner(_Context(parse_constant))

    def _encoder(*, sort_keys):
        options = (None, ":", ",", sort_keys, False, False)  # indent, separators, sort_keys, skipkeys, allow_nan
        return _json.make_encoder(None, _refuse_value, _json.encode_basestring_ascii, *options)

    _strict_scanner, _usual_encoder = _scanner(_refuse_constant), _encoder(sort_keys=False)
    _strict_scanner("[1]", 0)  # the C part is no public interface: seen to work before it is trusted
    _usual_encoder([1], 0)
except (ImportError, AttributeError, TypeError):  # an interpreter without it, or with another form of it
    import json

    def _scanner(parse_constant):
        return json.JSONDecoder(parse_constant=parse_constant).scan_once

    def _encoder(*, sort_keys):
        encoder = json.JSONEncoder(separators=(",", ":"), allow_nan=False, sort_keys=sort_keys, check_circular=False)
        return lambda tree, level: [encoder.encode(tree)]

    _strict_scanner, _usual_encoder = _scanner(_refuse_constant), _encoder(sort_keys=False)
