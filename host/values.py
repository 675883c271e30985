"""Typed values and their one wire form.

A value keeps its type on every road: in inputs, in what a guest returns, in records. The wire form is JSON with tags:

=========== ============================== ======================================================
type name   Python value                   wire form
=========== ============================== ======================================================
null        None                           ``null``
bool        bool                           ``true``
int         int                            a number; beyond 2^53 ``{"$type": "int", "value": "9007199254740993"}``
float       float                          a number; else ``{"$type": "float", "value": "nan" | "inf" | "-inf"}``
str         str                            a string; with lone surrogates
                                           ``{"$type": "str", "value": base64 of UTF-16-LE}``
list        list, tuple                    an array (a tuple comes back as a list, but as a tuple in a key or a set)
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

Subclasses count as what they derive from, members of an Enum as their value, named time zones as their offset. NumPy
and pandas objects become lists, tables and plain numbers: see ``host.arrays``.

This file, ``shapes``, ``decoding`` and ``arrays`` run in two places: in the host, and inside the wall as part of the
Python guest. So they import nothing but the standard library and each other, and run on Python 3.9 to 3.15.
"""

import math
import sys
from _collections import deque  # the C part of collections, which alone is a quarter of an interpreter's start

from .decoding import MAX_DEPTH, MAX_EXPONENT, decode
from .lazily import Module, json_dumps, json_loads
from .shapes import Image, Opaque, Table, ValueFormatError

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

base64, datetime, decimal = map(Module, ("base64", "datetime", "decimal"))

_SAFE_INTEGER = 2**53 - 1
_HEX_FROM_BITS = 13_000  # past about 3,900 digits decimal conversion is slow and, since Python 3.11, refused
_MAX_FRACTION_BITS = 13_000  # reducing a fraction takes time that grows with the square of its length


def encode(value, depth=0):
    """The wire form of ``value`` as a JSON-able tree.

    What has no form of its own, or raises while it is looked at, becomes an ``object`` tag (class and repr). So
    encoding fails only on what is deeper than MAX_DEPTH (a structure that contains itself is).

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
    if kind is list or kind is tuple:
        _check_depth(depth)
        return [encode(item, depth + 1) for item in value]
    if kind is dict:
        return _encode_map(value, depth)
    try:
        return _encode_other(value, kind, depth)
    except (ValueFormatError, MemoryError, RecursionError):
        raise
    except Exception:  # the caller's own class may do anything when it is read; its name is still worth having
        return _encode_opaque(value)


def dumps(value) -> bytes:
    """The wire form of ``value`` as UTF-8 JSON bytes.

    Raises:
        ValueFormatError: too deep.
    """
    try:
        return json_dumps(encode(value)).encode("ascii")
    except RecursionError:
        raise ValueFormatError("the value is nested too deeply, or its own methods recurse without end") from None


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
        tree = json_loads(bytes(data).decode("utf-8"), parse_constant=_no_constant)
    except ValueFormatError:
        raise
    except RecursionError:
        raise ValueFormatError(f"the value is nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        raise ValueFormatError(f"the value is not JSON that can be read: {error}") from None
    return decode(tree)


def type_name(value) -> str:
    """The type's name as the table above has it."""
    kind = type(value)
    name = _NAMES.get(kind) or _NAMES.get(f"{kind.__module__}.{kind.__name__}")
    if name is not None:
        return name
    wire = encode(value)
    if isinstance(wire, dict):
        return wire.get("$type", "map")
    return "list" if isinstance(wire, list) else type_name(wire)


def _no_constant(name):
    raise ValueFormatError(f"{name} is not JSON; write " + '{"$type": "float", "value": "nan"}')


# --- encoding ---------------------------------------------------------------------------------------------------------


def _check_depth(depth):
    if depth >= MAX_DEPTH:
        raise ValueFormatError(f"the value is nested deeper than {MAX_DEPTH} levels, or contains itself")


def _encode_str(value):
    if not _has_surrogates(value):
        return value
    return {"$type": "str", "value": _b64(value.encode("utf-16-le", "surrogatepass"))}


def _has_surrogates(text):
    if text.isascii():
        return False
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _encode_int(value):
    if -_SAFE_INTEGER <= value <= _SAFE_INTEGER:
        return value
    return {"$type": "int", "value": hex(value) if value.bit_length() > _HEX_FROM_BITS else str(value)}


def _encode_map(value, depth):
    _check_depth(depth)
    plain = all(type(key) is str and not _has_surrogates(key) for key in value)
    if plain:
        return {("$" + key if key[:1] == "$" else key): encode(item, depth + 1) for key, item in value.items()}
    return {
        "$type": "map",
        "value": [[encode(key, depth + 1), encode(item, depth + 1)] for key, item in value.items()],
    }


def _encode_set(value, depth):
    _check_depth(depth)
    return {"$type": "set", "value": sorted((encode(item, depth + 1) for item in value), key=_sorting_key)}


def _sorting_key(wire):
    return json_dumps(wire, sort_keys=True)


def _encode_duration(value, depth):
    sign = "-" if value < datetime.timedelta(0) else ""
    micros = abs(value) // datetime.timedelta(microseconds=1)
    seconds, rest = divmod(micros, 1_000_000)
    fraction = f".{rest:06d}".rstrip("0") if rest else ""
    return {"$type": "duration", "value": f"{sign}PT{seconds}{fraction}S"}


def _encode_table(value, depth):
    _check_depth(depth)
    return {
        "$type": "table",
        "columns": [_encode_str(str(name)) for name in value.columns],
        "rows": [[encode(cell, depth + 2) for cell in row] for row in value.rows],
    }


def _encode_decimal(value, depth):
    if value.is_finite() and abs(value.adjusted()) > MAX_EXPONENT:
        return _encode_opaque(value)
    return {"$type": "decimal", "value": decimal.Decimal.__str__(value)}


def _encode_fraction(value, depth):
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > _MAX_FRACTION_BITS:
        return _encode_opaque(value)
    return {"$type": "fraction", "value": f"{value.numerator}/{value.denominator}"}


def _encode_other(value, kind, depth):
    """The typed kinds, third-party values, subclasses; in the end an opaque object."""
    in_order, by_type = _encoders()
    encoder = by_type.get(kind)
    if encoder is not None:
        return encoder(value, depth)
    module = kind.__module__.partition(".")[0]
    if module in ("numpy", "pandas"):
        from . import arrays

        _check_depth(depth)
        converted = arrays.plain(value, Table)
        return _encode_opaque(value) if converted is value else encode(converted, depth + 1)
    if module == "fractions":  # told by name, so that guests need not import the module
        return _encode_fraction(value, depth)
    if hasattr(kind, "__members__"):  # of an Enum
        _check_depth(depth)
        return encode(value.value, depth + 1)
    for known, encoder in in_order:
        if isinstance(value, known):
            return encoder(value, depth)
    return _encode_opaque(value)


def _encode_opaque(value):
    try:
        text = str.__str__(repr(value))[:1000]
    except Exception as error:  # again the caller's own code
        text = f"<{type(value).__name__}: repr failed with {type(error).__name__}>"
    return {
        "$type": "object",
        "class": _without_surrogates(type(value).__name__),
        "text": _without_surrogates(text),
    }


def _without_surrogates(text):
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace") if _has_surrogates(text) else text


def _b64(data):
    return base64.b64encode(data).decode("ascii")


def _encoders():
    """Encoders in order and by type, of the modules that are loaded: no value exists before its type's module."""
    loaded = ("decimal" in sys.modules, "datetime" in sys.modules)
    tables = _TABLES.get(loaded)
    if tables is None:
        in_order = [*(_decimals() if loaded[0] else ()), *(_times() if loaded[1] else ()), *_ENCODERS]
        by_type = {kind: encoder for kind, encoder in in_order if isinstance(kind, type)}
        tables = _TABLES[loaded] = in_order, by_type
    return tables


# Subclasses are looked up in this order: datetime before date. Methods are those of the base, whatever a subclass
# overrides.


def _decimals():
    return [(decimal.Decimal, _encode_decimal)]


def _times():
    return [
        (datetime.datetime, lambda v, d: {"$type": "datetime", "value": datetime.datetime.isoformat(v)}),
        (datetime.date, lambda v, d: {"$type": "date", "value": datetime.date.isoformat(v)}),
        (datetime.time, lambda v, d: {"$type": "time", "value": datetime.time.isoformat(v)}),
        (datetime.timedelta, _encode_duration),
    ]


_ENCODERS = [
    (bytes, lambda v, d: {"$type": "bytes", "value": _b64(v)}),
    (bytearray, lambda v, d: {"$type": "bytes", "value": _b64(v)}),
    (memoryview, lambda v, d: {"$type": "bytes", "value": _b64(v.tobytes())}),
    (Table, _encode_table),
    (Image, lambda v, d: {"$type": "image", "mime": str(v.mime), "value": _b64(v.data)}),
    (Opaque, lambda v, d: {"$type": "object", "class": str(v.class_name), "text": str(v.text)}),
    (str, lambda v, d: _encode_str(str.__str__(v))),
    (int, lambda v, d: _encode_int(int.__int__(v))),
    (float, lambda v, d: encode(float.__float__(v), d)),
    (complex, lambda v, d: {"$type": "complex", "value": [encode(v.real, d), encode(v.imag, d)]}),
    (dict, lambda v, d: _encode_map(dict(v), d)),
    (set, _encode_set),
    (frozenset, _encode_set),
    (
        (list, tuple, range, deque, type({}.keys()), type({}.values()), type({}.items())),
        lambda v, d: encode(list(v), d),
    ),
]
_TABLES = {}


# --- names ----------------------------------------------------------------------------------------------------------

_NAMES = {
    type(None): "null",
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
    list: "list",
    tuple: "list",
    dict: "map",
    "decimal.Decimal": "decimal",
    complex: "complex",
    "datetime.date": "date",
    "datetime.time": "time",
    "datetime.datetime": "datetime",
    "datetime.timedelta": "duration",
    bytes: "bytes",
    set: "set",
    frozenset: "set",
    Table: "table",
    Image: "image",
    Opaque: "object",
}
