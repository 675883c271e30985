"""Calls whose arguments decide whether monty agrees, and the formats of text."""

import ast
import re
import string
from collections.abc import Callable, Mapping

from adapters.monty.decline import Decline
from adapters.monty.table import EXCEPTIONS

__all__ = ["check_call", "check_formatted_value"]

_TYPED_SPEC = re.compile(r".*[bcdeEfFgGoxX%]|.*,")
_DATE_SPEC = re.compile(r"(?:[^%]|%[YmdHMSjBbAaIpy%])*")
_NOT_A_NUMBER = re.compile(r"\s*[+-]?s?nan\d*\s*", re.IGNORECASE)
_ONE_ARGUMENT = frozenset({"difference", "intersection", "isdisjoint", "issubset", "issuperset"}) | {
    "symmetric_difference",
    "union",
}
_ANY_KEYWORD = frozenset({"dict", "format", "update"})
_KEYWORDS: Mapping[str, set[str]] = {
    "print": {"sep", "end", "flush"},
    "sorted": {"key", "reverse"},
    "sort": {"key", "reverse"},
    "max": {"key", "default"},
    "min": {"key", "default"},
    "enumerate": {"start"},
    "dumps": {"indent", "sort_keys", "separators", "ensure_ascii"},
    "lru_cache": {"maxsize"},
    "date": {"year", "month", "day"},
    "datetime": {"year", "month", "day", "hour", "minute", "second", "microsecond", "tzinfo"},
    "time": {"hour", "minute", "second", "microsecond"},
    "deque": {"maxlen"},
    "quantize": {"rounding"},
    "to_integral_value": {"rounding"},
    "prod": {"start"},
    "sum": {"start"},
    "zip_longest": {"fillvalue"},
    "timedelta": {"weeks", "days", "hours", "minutes", "seconds", "milliseconds", "microseconds"},
}
_SUMS_LIKE_MONTY = sum([0.1] * 10) != 1.0  # from Python 3.12 on, CPython adds floats with a compensation


def check_call(node: ast.Call, name: str) -> None:
    """Hold a call of something that is not of the program's own making against what is known of it.

    Args:
        node: the call.
        name: the name of the builtin, member or method, whatever the program calls it.

    Raises:
        Decline: with these arguments monty may answer differently.
    """
    given = {keyword.arg for keyword in node.keywords}
    if given and name not in _ANY_KEYWORD and not given <= _KEYWORDS.get(name, set()):
        raise Decline(node, f"a keyword argument of `{name}`", "monty may not know it")
    if name in EXCEPTIONS:
        _exception(node, name)
    if name in _ONE_ARGUMENT and len(node.args) != 1:
        raise Decline(node, f"`.{name}` with {len(node.args)} arguments", "monty takes one")
    special = _SPECIAL.get(name)
    if special is not None:
        special(node)


def check_formatted_value(node: ast.FormattedValue) -> None:
    """Hold a field of an f-string against what is known of formats.

    Raises:
        Decline: its format may be treated differently.
    """
    if node.format_spec is None or _is_text(node.value) or node.conversion != -1:
        return
    parts = node.format_spec.values if isinstance(node.format_spec, ast.JoinedStr) else []
    text = "".join(str(part.value) if isinstance(part, ast.Constant) else "0" for part in parts)
    if not (_TYPED_SPEC.fullmatch(text) and ("%" not in text[:-1])) and not (
        "%" in text and _DATE_SPEC.fullmatch(text)
    ):
        raise Decline(
            node,
            "a format without a type in an f-string",
            "monty pads what cannot be padded",
            "Write {str(value):>10} or {value:>10.2f}.",
        )


def _exception(node: ast.Call, name: str) -> None:
    if len(node.args) > 1 or any(not _is_text(argument) for argument in node.args):
        raise Decline(
            node, f"`{name}` with anything but one text", "monty takes one text", "Write a text or an f-string."
        )


def _round(node: ast.Call) -> None:
    if len(node.args) != 1:
        raise Decline(
            node, "`round` to a number of digits", "the last digit of a float may differ", "Use Decimal.quantize."
        )


def _sum(node: ast.Call) -> None:
    if not _SUMS_LIKE_MONTY:
        raise Decline(node, "`sum`", "this CPython adds floats in another way", "Add in a loop.")


def _not_nan(node: ast.Call) -> None:
    if any(
        isinstance(each, ast.Constant) and isinstance(each.value, str) and _NOT_A_NUMBER.fullmatch(each.value)
        for each in node.args
    ):
        raise Decline(node, "not a number (nan)", "in lists it compares in another way")


def _bytes(node: ast.Call) -> None:
    raise Decline(node, "`bytes(...)`", "monty takes fewer kinds of arguments")


def _type(node: ast.Call) -> None:
    if len(node.args) != 1 or node.keywords:
        raise Decline(node, "`type` with several arguments", "it would make a class")


def _encoding(node: ast.Call) -> None:
    if any(not (isinstance(each, ast.Constant) and str(each.value).lower() in ("utf-8", "utf8")) for each in node.args):
        raise Decline(node, "an encoding", "monty knows few", "Use UTF-8.")


def _timedelta(node: ast.Call) -> None:
    values = [*node.args, *(keyword.value for keyword in node.keywords)]
    if len(node.args) > 3 or not all(_is_whole(each) for each in values):
        raise Decline(node, "`timedelta` of what may be a fraction", "monty takes whole numbers", "Write int(...).")


def _strftime(node: ast.Call) -> None:
    pattern = node.args[0] if len(node.args) == 1 else None
    if not (
        isinstance(pattern, ast.Constant) and isinstance(pattern.value, str) and _DATE_SPEC.fullmatch(pattern.value)
    ):
        raise Decline(
            node, "this form of `strftime`", "only %Y %m %d %H %M %S %j %B %b %A %a %I %p %y are proven to agree"
        )


def _replace(node: ast.Call) -> None:
    if len(node.args) not in (2, 3) or (
        isinstance(node.args[0], ast.Constant) and not isinstance(node.args[0].value, str)
    ):
        raise Decline(node, "this form of `.replace`", "that of dates takes other arguments in monty")


def _format(node: ast.Call) -> None:
    if isinstance(node.func, ast.Name):
        spec = node.args[1] if len(node.args) == 2 else None
        specs: list[object] = [spec.value if isinstance(spec, ast.Constant) else None]
    else:
        pattern = node.func.value if isinstance(node.func, ast.Attribute) else None
        if not (isinstance(pattern, ast.Constant) and isinstance(pattern.value, str)):
            raise Decline(node, "`.format` of a text that is made by the program", "its fields cannot be checked")
        specs = list(_specs(node, pattern.value))
    if not all(isinstance(each, str) and (not each or _TYPED_SPEC.fullmatch(each)) for each in specs):
        raise Decline(
            node,
            "a format without a type",
            "monty pads what cannot be padded",
            "End the format with its type, as in {:>10.2f}.",
        )


def _is_text(node: ast.AST) -> bool:
    """Whether the expression is text whatever happens."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in ("str", "repr")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
        return _is_text(node.left)
    return isinstance(node, ast.JoinedStr)


def _is_whole(node: ast.AST) -> bool:
    """Whether the expression is a whole number whatever happens."""
    if isinstance(node, ast.Constant):
        return type(node.value) is int
    if isinstance(node, ast.UnaryOp):
        return _is_whole(node.operand)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in ("int", "len")
    return False


def _specs(node: ast.AST, pattern: str) -> list[str | None]:
    try:
        fields = [(name, spec) for _, name, spec, _ in string.Formatter().parse(pattern) if name is not None]
    except ValueError:
        raise Decline(node, "a malformed format", "its error is worded differently") from None
    return [None if "." in name or "{" in (spec or "") else spec for name, spec in fields]


_SPECIAL: Mapping[str, Callable[[ast.Call], None]] = {
    "Decimal": _not_nan,
    "bytes": _bytes,
    "decode": _encoding,
    "encode": _encoding,
    "float": _not_nan,
    "format": _format,
    "replace": _replace,
    "round": _round,
    "strftime": _strftime,
    "sum": _sum,
    "timedelta": _timedelta,
    "type": _type,
}
