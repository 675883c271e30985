"""Typed values and their one wire form.

A value keeps its type on every road: in inputs, in what a guest returns, in records. The wire form is JSON with tags:

=========== ============================== ======================================================
type name   Python value                   wire form
=========== ============================== ======================================================
null        None                           ``null``
bool        bool                           ``true``
int         int                            a number; beyond 2^53 ``{"$type": "int", "value": "9007199254740993"}``
float       float                          a number; else ``{"$type": "float", "value": "nan" | "inf" | "-inf"}``
str         str                            a string; with lone surrogates ``{"$type": "str", "value": base64 of UTF-16-LE}``
list        list, tuple                    an array
map         dict                           an object, ``$`` at the start of a key doubled; other keys than
                                           strings: ``{"$type": "map", "value": [[key, value], ...]}``
decimal     decimal.Decimal                ``{"$type": "decimal", "value": "1.10"}``
fraction    fractions.Fraction             ``{"$type": "fraction", "value": "1/3"}``
complex     complex                        ``{"$type": "complex", "value": [real, imaginary]}``
date        datetime.date                  ``{"$type": "date", "value": "2026-11-21"}``
time        datetime.time                  ``{"$type": "time", "value": "14:05:00"}``
datetime    datetime.datetime              ``{"$type": "datetime", "value": "2026-11-21T14:05:00+00:00"}``
duration    datetime.timedelta             ``{"$type": "duration", "value": "PT5400.25S"}``
bytes       bytes                          ``{"$type": "bytes", "value": base64}``
set         set, frozenset                 ``{"$type": "set", "value": [...]}``, members in the order of their JSON
table       Table                          ``{"$type": "table", "columns": [...], "rows": [[...], ...]}``
image       Image                          ``{"$type": "image", "mime": "image/png", "value": base64}``
object      Opaque (anything else)         ``{"$type": "object", "class": "Foo", "text": "<Foo ...>"}``
=========== ============================== ======================================================

This file runs in two places: in the host, and inside the wall as part of the Python guest. So it imports nothing
but the standard library, and runs on Python 3.9 to 3.15.
"""

import base64
import datetime
import decimal
import json
import math
import re
from collections import deque

__all__ = [
    "MAX_DEPTH",
    "Image",
    "Opaque",
    "Table",
    "ValueFormatError",
    "decode",
    "dumps",
    "encode",
    "loads",
    "type_name",
]

MAX_DEPTH = 100
"""Levels of nesting that a value may have, lists and maps alike."""

_SAFE_INTEGER = 2**53 - 1
_HEX_FROM_BITS = 13_000  # past about 3,900 digits decimal conversion is slow and, since Python 3.11, refused
_SURROGATE = re.compile("[\ud800-\udfff]")
_DURATION = re.compile(r"(-?)PT(\d+)(?:\.(\d{1,6}))?S", re.ASCII)


class ValueFormatError(ValueError):
    """The value has no wire form, or the wire form is not a value; the message says where."""


class Table:
    """Rows under named columns.

    Attributes:
        columns: the column names, a tuple of str.
        rows: a tuple of tuples, each as long as ``columns``.
    """

    __slots__ = ("columns", "rows")

    def __init__(self, columns, rows):
        self.columns = tuple(columns)
        self.rows = tuple(tuple(row) for row in rows)
        for number, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise ValueFormatError(f"row {number} of the table has {len(row)} cells for {len(self.columns)} columns")

    def __eq__(self, other):
        if not isinstance(other, Table):
            return NotImplemented
        return self.columns == other.columns and self.rows == other.rows

    def __hash__(self):
        return hash((self.columns, len(self.rows)))

    def __repr__(self):
        return f"Table(columns={list(self.columns)!r}, rows={[list(row) for row in self.rows]!r})"

    def __len__(self):
        return len(self.rows)

    def __iter__(self):
        """Rows as dictionaries, column name to cell."""
        return (dict(zip(self.columns, row)) for row in self.rows)


class Image:
    """A picture: its MIME type and its bytes."""

    __slots__ = ("data", "mime")

    def __init__(self, mime, data):
        self.mime = mime
        self.data = bytes(data)

    def __eq__(self, other):
        if not isinstance(other, Image):
            return NotImplemented
        return self.mime == other.mime and self.data == other.data

    def __hash__(self):
        return hash((self.mime, self.data))

    def __repr__(self):
        return f"Image({self.mime!r}, {len(self.data)} bytes)"


class Opaque:
    """A value that has no wire form of its own: its class and what its repr said, both for people only."""

    __slots__ = ("class_name", "text")

    def __init__(self, class_name, text):
        self.class_name = class_name
        self.text = text

    def __eq__(self, other):
        if not isinstance(other, Opaque):
            return NotImplemented
        return self.class_name == other.class_name and self.text == other.text

    def __hash__(self):
        return hash((self.class_name, self.text))

    def __repr__(self):
        return f"Opaque({self.class_name!r}, {self.text!r})"


def encode(value, depth=0):
    """The wire form of ``value`` as a JSON-able tree.

    What has no form of its own becomes an ``object`` tag (class and repr), so encoding fails only on what is deeper
    than MAX_DEPTH (a structure that contains itself is).

    Raises:
        ValueFormatError: too deep.
    """
    if value is None or value is True or value is False:
        return value
    kind = type(value)
    if kind is str:
        return _encode_str(value)
    if kind is int:
        return _encode_int(value)
    if kind is float:
        return value if math.isfinite(value) else {"$type": "float", "value": repr(value)}
    if depth >= MAX_DEPTH:
        raise ValueFormatError(f"the value is nested deeper than {MAX_DEPTH} levels, or contains itself")
    if kind is list or kind is tuple:
        return [encode(item, depth + 1) for item in value]
    if kind is dict:
        return _encode_map(value, depth)
    return _encode_other(value, depth)


def decode(wire, depth=0):
    """The value behind a wire tree, as ``json.loads`` gives it.

    Raises:
        ValueFormatError: an unknown or malformed tag, an unescaped ``$`` key, or nesting past MAX_DEPTH.
    """
    kind = type(wire)
    if wire is None or kind is bool or kind is int or kind is float or kind is str:
        return wire
    if depth >= MAX_DEPTH:
        raise ValueFormatError(f"the value is nested deeper than {MAX_DEPTH} levels")
    if kind is list:
        return [decode(item, depth + 1) for item in wire]
    if kind is not dict:
        raise ValueFormatError(f"{kind.__name__} is not JSON")
    if "$type" in wire:
        return _decode_tag(wire, depth)
    result = {}
    for key, item in wire.items():
        if key[:1] == "$":
            if key[:2] != "$$":
                raise ValueFormatError(f"key {key!r} begins with $; write {'$' + key!r} for a key of your own")
            key = key[1:]
        result[key] = decode(item, depth + 1)
    return result


def dumps(value):
    """The wire form of ``value`` as UTF-8 JSON bytes."""
    return json.dumps(encode(value), ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def loads(data, max_bytes=None):
    """The value behind wire bytes that may come from anyone.

    Args:
        data: UTF-8 JSON.
        max_bytes: refuse what is longer, before it is parsed.

    Raises:
        ValueFormatError: too long, too deep, not JSON, or not the wire form.
    """
    if max_bytes is not None and len(data) > max_bytes:
        raise ValueFormatError(f"the value takes {len(data)} bytes; the limit is {max_bytes}")
    try:
        tree = json.loads(data, parse_constant=_no_constant, parse_int=_parse_int)
    except ValueFormatError:
        raise
    except RecursionError:
        raise ValueFormatError(f"the value is nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        raise ValueFormatError(f"the value is not JSON: {error}") from None
    return decode(tree)


def type_name(value):
    """The type's name as the table above has it."""
    for kind, name in _NAMES:
        if isinstance(value, kind):
            return name
    wire = encode(value)
    if isinstance(wire, dict):
        return wire.get("$type", "map")
    return "list" if isinstance(wire, list) else type_name(wire)


# --- encoding ---------------------------------------------------------------------------------------------------------


def _encode_str(value):
    if value.isascii() or not _SURROGATE.search(value):
        return value
    return {"$type": "str", "value": _b64(value.encode("utf-16-le", "surrogatepass"))}


def _encode_int(value):
    if -_SAFE_INTEGER <= value <= _SAFE_INTEGER:
        return value
    return {"$type": "int", "value": hex(value) if value.bit_length() > _HEX_FROM_BITS else str(value)}


def _encode_map(value, depth):
    plain = all(type(key) is str and (key.isascii() or not _SURROGATE.search(key)) for key in value)
    if plain:
        return {("$" + key if key[:1] == "$" else key): encode(item, depth + 1) for key, item in value.items()}
    return {
        "$type": "map",
        "value": [[encode(key, depth + 1), encode(item, depth + 1)] for key, item in value.items()],
    }


def _encode_set(value, depth):
    return {"$type": "set", "value": sorted((encode(item, depth + 1) for item in value), key=_sorting_key)}


def _sorting_key(wire):
    return json.dumps(wire, sort_keys=True)


def _encode_duration(value):
    sign = "-" if value < datetime.timedelta(0) else ""
    micros = abs(value) // datetime.timedelta(microseconds=1)
    seconds, rest = divmod(micros, 1_000_000)
    fraction = f".{rest:06d}".rstrip("0") if rest else ""
    return {"$type": "duration", "value": f"{sign}PT{seconds}{fraction}S"}


def _encode_table(value, depth):
    return {
        "$type": "table",
        "columns": [_encode_str(str(name)) for name in value.columns],
        "rows": [[encode(cell, depth + 2) for cell in row] for row in value.rows],
    }


def _encode_other(value, depth):
    """Subclasses, the typed kinds, third-party values; in the end an opaque object."""
    for kind, encoder in _ENCODERS:
        if isinstance(value, kind):
            return encoder(value, depth)
    module = type(value).__module__.partition(".")[0]
    if module == "fractions":  # told by name, so that guests need not import the module
        return {"$type": "fraction", "value": f"{value.numerator}/{value.denominator}"}
    if module in ("numpy", "pandas"):
        converted = _from_numpy_or_pandas(value)
        if converted is not value:
            return encode(converted, depth)
    return _encode_opaque(value)


def _encode_opaque(value):
    try:
        text = repr(value)
    except Exception as error:  # the caller's own __repr__ may do anything; the value is still worth naming
        text = f"<{type(value).__name__}: repr failed with {type(error).__name__}>"
    text = _SURROGATE.sub("\ufffd", text[:1000])
    return {"$type": "object", "class": _SURROGATE.sub("\ufffd", type(value).__qualname__), "text": text}


def _from_numpy_or_pandas(value):
    """A plain value for a NumPy or pandas one, by what it can do, so that neither is imported here."""
    name = type(value).__name__
    if name == "DataFrame":
        columns = [str(column) for column in value.columns]
        rows = value.astype(object).itertuples(index=False, name=None)
        return Table(columns, [[_missing_to_none(cell) for cell in row] for row in rows])
    if name == "Series":
        return [_missing_to_none(cell) for cell in value.tolist()]
    if name in ("NaTType", "NAType"):
        return None
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "item"):
        return value.item()
    return value


def _missing_to_none(cell):
    return None if type(cell).__name__ in ("NaTType", "NAType") else cell


def _b64(data):
    return base64.b64encode(data).decode("ascii")


# Order matters: bool before int, datetime before date. Enum members count as their value.
_ENCODERS = [
    (decimal.Decimal, lambda v, d: {"$type": "decimal", "value": str(v)}),
    (datetime.datetime, lambda v, d: {"$type": "datetime", "value": v.isoformat()}),
    (datetime.date, lambda v, d: {"$type": "date", "value": v.isoformat()}),
    (datetime.time, lambda v, d: {"$type": "time", "value": v.isoformat()}),
    (datetime.timedelta, lambda v, d: _encode_duration(v)),
    ((bytes, bytearray, memoryview), lambda v, d: {"$type": "bytes", "value": _b64(bytes(v))}),
    (Table, _encode_table),
    (Image, lambda v, d: {"$type": "image", "mime": v.mime, "value": _b64(v.data)}),
    (Opaque, lambda v, d: {"$type": "object", "class": v.class_name, "text": v.text}),
    (str, lambda v, d: _encode_str(str.__str__(v))),
    (bool, lambda v, d: bool(v)),
    (int, lambda v, d: _encode_int(int(v))),
    (float, lambda v, d: encode(float(v), d)),
    (complex, lambda v, d: {"$type": "complex", "value": [encode(v.real, d), encode(v.imag, d)]}),
    (dict, lambda v, d: _encode_map(dict(v), d)),
    ((set, frozenset), _encode_set),
    ((list, tuple, range, deque, type({}.keys()), type({}.values()), type({}.items())), lambda v, d: encode(list(v), d)),
]


# --- decoding ---------------------------------------------------------------------------------------------------------


def _no_constant(name):
    raise ValueFormatError(f"{name} is not JSON; write " + '{"$type": "float", "value": "nan"}')


def _parse_int(digits):
    if len(digits) > 4000:
        raise ValueFormatError("an integer of more than 4,000 digits travels as a tag with a hexadecimal value")
    return int(digits)


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


def _decode_int(wire, depth):
    text = _text(wire)
    return int(text, 16) if text.lstrip("-")[:2] == "0x" else _parse_int(text)


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
    match = _DURATION.fullmatch(_text(wire))
    if not match or len(match[2]) > 15:
        raise ValueFormatError('tag \'duration\' holds seconds as in "PT5400.25S"')
    duration = datetime.timedelta(seconds=int(match[2]), microseconds=int((match[3] or "").ljust(6, "0")))
    return -duration if match[1] else duration


def _decode_decimal(wire, depth):
    text = _text(wire)
    if text != text.strip() or "_" in text:
        raise decimal.InvalidOperation(text)
    return decimal.Decimal(text)


def _decode_fraction(wire, depth):
    from fractions import Fraction

    numerator, _, denominator = _text(wire).partition("/")
    return Fraction(_parse_int(numerator), _parse_int(denominator))


def _decode_complex(wire, depth):
    real, imaginary = (decode(part, depth + 1) for part in _items(wire))
    return complex(real, imaginary)


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
    "date": lambda w, d: datetime.date.fromisoformat(_text(w)),
    "time": lambda w, d: datetime.time.fromisoformat(_text(w)),
    "datetime": lambda w, d: datetime.datetime.fromisoformat(_text(w)),
    "duration": _decode_duration,
    "bytes": lambda w, d: _bytes(w),
    "set": lambda w, d: {_hashable(decode(item, d + 1)) for item in _items(w)},
    "table": _decode_table,
    "image": lambda w, d: Image(_text(w, "mime"), _bytes(w)),
    "object": lambda w, d: Opaque(_text(w, "class"), _text(w, "text")),
}


def _decode_tag(wire, depth):
    name = wire["$type"]
    decoder = _DECODERS.get(name) if type(name) is str else None
    if decoder is None:
        known = ", ".join(sorted(_DECODERS))
        raise ValueFormatError(f"$type {name!r} is unknown; known are {known}")
    try:
        return decoder(wire, depth)
    except ValueFormatError:
        raise
    except (ValueError, TypeError, OverflowError, ArithmeticError) as error:
        raise ValueFormatError(f"the value tagged {name!r} is malformed: {error}") from None


# --- names ----------------------------------------------------------------------------------------------------------

_NAMES = [
    (type(None), "null"),
    (bool, "bool"),
    (int, "int"),
    (float, "float"),
    (str, "str"),
    ((list, tuple), "list"),
    (dict, "map"),
    (datetime.datetime, "datetime"),
]
