"""From the wire form of ``host.values`` to values. What comes in may come from anyone.

This file is part of the Python guest: standard library only, Python 3.9 to 3.15.
"""

import math

from .lazily import Module
from .shapes import Image, Opaque, Table, ValueFormatError

__all__ = ["MAX_DEPTH", "MAX_EXPONENT", "decode"]

base64, datetime, decimal, re = map(Module, ("base64", "datetime", "decimal", "re"))

MAX_DEPTH = 100
"""Levels of nesting that a value may have, lists and maps alike."""

MAX_EXPONENT = 999_999
"""The largest exponent of ten that a decimal may have, either way: beyond it, writing one out takes all memory."""

# Patterns are compiled on first use (re keeps them): a run that needs none of them starts a millisecond sooner.
_INT = r"-?[0-9]{1,4000}"
_HEX = r"-?0x[0-9a-f]+"
_DURATION = r"(-?)PT([0-9]{1,15})(?:\.([0-9]{1,6}))?S"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,6}))?(Z|[+-][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{6})?)?)?"


def decode(wire, depth=0):
    """The value behind a wire tree, as ``json.loads`` gives it.

    Raises:
        ValueFormatError: an unknown or malformed tag, an unescaped ``$`` key, or nesting past MAX_DEPTH.
    """
    kind = type(wire)
    if wire is None or kind is str or kind is int or kind is bool:
        return wire
    if kind is float:
        if not math.isfinite(wire):
            raise ValueFormatError("a number is too large for a float, or is not JSON")
        return wire
    if kind is dict and "$type" in wire:
        return _decode_tag(wire, depth)
    if depth >= MAX_DEPTH:
        raise ValueFormatError(f"the value is nested deeper than {MAX_DEPTH} levels")
    if kind is list:
        return [decode(item, depth + 1) for item in wire]
    if kind is not dict:
        raise ValueFormatError(f"{kind.__name__} is not JSON")
    result = {}
    for key, item in wire.items():
        if key[:1] == "$":
            if key[:2] != "$$":
                raise ValueFormatError(
                    f"key {key[:80]!r} begins with $; write {'$' + key[:80]!r} for a key of your own"
                )
            key = key[1:]
        result[key] = decode(item, depth + 1)
    return result


def _text(wire, field="value"):
    value = wire.get(field)
    if type(value) is not str:
        raise ValueFormatError(f"tag {wire['$type']!r} needs the text field {field!r}")
    return value


def _items(wire, field="value"):
    value = wire.get(field)
    if type(value) is not list:
        raise ValueFormatError(f"tag {wire['$type']!r} needs the list field {field!r}")
    return value


def _bytes(wire):
    return base64.b64decode(_text(wire), validate=True)


def _matched(pattern, text, example):
    match = re.fullmatch(pattern, text)
    if match is None:
        raise ValueFormatError(f"{text[:80]!r} is not of the form {example}")
    return match


def _int(text):
    return int(_matched(_INT, text, "-12 with at most 4,000 digits")[0])


def _decode_int(wire, depth):
    text = _text(wire)
    return int(text, 16) if re.fullmatch(_HEX, text) else _int(text)


def _decode_float(wire, depth):
    text = _text(wire)
    if text not in ("nan", "inf", "-inf"):
        raise ValueFormatError("tag 'float' holds nan, inf or -inf; any other float is a plain number")
    return float(text)


def _decode_map(wire, depth):
    result = {}
    for pair in _items(wire):
        if type(pair) is not list or len(pair) != 2:
            raise ValueFormatError("tag 'map' holds [key, value] pairs")
        key = _hashable(decode(pair[0], depth + 1))
        result[key] = decode(pair[1], depth + 1)
    return result


def _hashable(value):
    """Keys and members of sets: lists stand for tuples there."""
    if type(value) is list:
        return tuple(_hashable(item) for item in value)
    if type(value) is set:
        return frozenset(value)
    if type(value) is dict:
        raise ValueFormatError("a map can be neither a key nor a member of a set")
    return value


def _decode_duration(wire, depth):
    match = _matched(_DURATION, _text(wire), "PT5400.25S")
    duration = datetime.timedelta(seconds=int(match[2]), microseconds=int((match[3] or "").ljust(6, "0")))
    return -duration if match[1] else duration


def _decode_decimal(wire, depth):
    text = _text(wire)
    if not text.isascii() or text != text.strip() or "_" in text:
        raise ValueFormatError(f"{text[:80]!r} is not of the form 1.10")
    value = decimal.Decimal(text)
    if value.is_finite() and abs(value.adjusted()) > MAX_EXPONENT:
        raise ValueFormatError(f"a decimal's exponent is at most {MAX_EXPONENT}")
    return value


def _decode_fraction(wire, depth):
    from fractions import Fraction

    numerator, _, denominator = _text(wire).partition("/")
    return Fraction(_int(numerator), _int(denominator))


def _decode_complex(wire, depth):
    real, imaginary = (decode(part, depth + 1) for part in _items(wire))
    if not {type(real), type(imaginary)} <= {int, float}:
        raise ValueFormatError("tag 'complex' holds two numbers")
    return complex(real, imaginary)


def _date(text):
    return _matched(_DATE, text, "2026-11-21")[0]


def _time(text):
    """The form that ``fromisoformat`` of Python 3.9 reads."""
    clock, fraction, zone = _matched(_TIME, text, "14:05:00.5+01:00").groups()
    return clock + ("." + fraction.ljust(6, "0") if fraction else "") + ("+00:00" if zone == "Z" else zone or "")


def _decode_datetime(wire, depth):
    day, _, clock = _text(wire).partition("T")
    return datetime.datetime.fromisoformat(f"{_date(day)}T{_time(clock)}")


def _decode_table(wire, depth):
    columns = [decode(name) for name in _items(wire, "columns")]
    if not all(type(name) is str for name in columns):
        raise ValueFormatError("column names of a table are strings")
    rows = _items(wire, "rows")
    if not all(type(row) is list for row in rows):
        raise ValueFormatError("rows of a table are lists")
    return Table(columns, [[decode(cell, depth + 2) for cell in row] for row in rows])


_DECODERS = {
    "int": _decode_int,
    "float": _decode_float,
    "str": lambda w, d: _bytes(w).decode("utf-16-le", "surrogatepass"),
    "map": _decode_map,
    "decimal": _decode_decimal,
    "fraction": _decode_fraction,
    "complex": _decode_complex,
    "date": lambda w, d: datetime.date.fromisoformat(_date(_text(w))),
    "time": lambda w, d: datetime.time.fromisoformat(_time(_text(w))),
    "datetime": _decode_datetime,
    "duration": _decode_duration,
    "bytes": lambda w, d: _bytes(w),
    "set": lambda w, d: {_hashable(decode(item, d + 1)) for item in _items(w)},
    "table": _decode_table,
    "image": lambda w, d: Image(_text(w, "mime"), _bytes(w)),
    "object": lambda w, d: Opaque(_text(w, "class"), _text(w, "text")),
}
_CONTAINERS = ("map", "set", "table")


def _decode_tag(wire, depth):
    name = wire["$type"]
    decoder = _DECODERS.get(name) if type(name) is str else None
    if decoder is None:
        raise ValueFormatError(f"$type {str(name)[:80]!r} is unknown; known are {', '.join(sorted(_DECODERS))}")
    if depth >= MAX_DEPTH and name in _CONTAINERS:
        raise ValueFormatError(f"the value is nested deeper than {MAX_DEPTH} levels")
    try:
        return decoder(wire, depth)
    except ValueFormatError:
        raise
    except (ValueError, TypeError, OverflowError, ArithmeticError) as error:
        raise ValueFormatError(f"the value tagged {name!r} is malformed: {error}") from None
