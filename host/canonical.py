"""The canonical form of a value (RFC 8785) and the hashes taken over it."""

import decimal
import hashlib
from json.encoder import encode_basestring
from typing import Any

from host.values import encode

__all__ = ["canonical", "canonical_wire", "sha256"]


def canonical(value: Any) -> bytes:
    """The bytes that a value is hashed over: its wire form in RFC 8785 (JCS) canonical JSON.

    JSON has one number type, so ``2`` and ``2.0`` have the same canonical form.
    """
    return canonical_wire(encode(value))


def canonical_wire(wire: Any) -> bytes:
    """The canonical bytes of a tree that is in wire form already."""
    return _text(wire).encode("utf-8")


def sha256(data: bytes) -> str:
    """The SHA-256 of ``data`` in lower-case hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _text(wire: Any) -> str:
    if type(wire) is str:
        return encode_basestring(wire)  # json's own, which escapes what RFC 8785 says and nothing else
    if type(wire) is int:
        return str(wire)
    if wire is None:
        return "null"
    if wire is True or wire is False:
        return "true" if wire else "false"
    if type(wire) is float:
        return _es_number(wire)
    if type(wire) is list:
        return "[" + ",".join(map(_text, wire)) + "]"
    if not wire:
        return "{}"
    keys = sorted(wire) if all(map(str.isascii, wire)) else sorted(wire, key=lambda key: key.encode("utf-16-be"))
    return "{" + ",".join([f"{encode_basestring(key)}:{_text(wire[key])}" for key in keys]) + "}"


def _es_number(number: float) -> str:
    """A finite float as ECMAScript writes it: RFC 8785 section 3.2.2.3."""
    if number == 0:
        return "0"
    sign, digits, exponent = decimal.Decimal(repr(number)).normalize().as_tuple()
    exponent = int(exponent)  # only NaN and infinity have a letter there; they travel as tags
    text = "".join(map(str, digits))
    point = len(text) + exponent  # where the decimal point stands, counted from the first digit
    if len(text) <= point <= 21:
        body = text + "0" * (point - len(text))
    elif 0 < point <= 21:
        body = text[:point] + "." + text[point:]
    elif -6 < point <= 0:
        body = "0." + "0" * -point + text
    else:
        mantissa = text[0] + ("." + text[1:] if len(text) > 1 else "")
        body = f"{mantissa}e{'+' if point > 0 else '-'}{abs(point - 1)}"
    return "-" + body if sign else body
