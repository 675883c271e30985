"""A request into the input of its operation, as the service's model says where each member stands."""

import base64
import binascii
import json
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from botocore.model import OperationModel, Shape, StructureShape
from botocore.utils import parse_timestamp

from tests.emulators.wire import Request

__all__ = ["Unreadable", "parsed"]


class Unreadable(Exception):
    """A member can't be read as what it should be."""


_JSON_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "character": str,
    "boolean": bool,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "list": list,
    "map": dict,
    "structure": dict,
    "blob": str,
    "timestamp": (int, float, str),
}


def _blob(value: str, where: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise Unreadable(f"{where} is not base64: {error}") from error


def _timestamp(value: Any, where: str) -> datetime:
    try:
        return parse_timestamp(value)
    except (ValueError, TypeError) as error:
        raise Unreadable(f"{where} is not a time: {error}") from error


def _from_json(shape: Shape, value: Any, where: str) -> Any:
    if getattr(shape, "is_document_type", False):
        return value
    right = isinstance(value, _JSON_TYPES[shape.type_name])
    if not right or (isinstance(value, bool) and shape.type_name != "boolean"):
        raise Unreadable(f"{where} is of type {type(value).__name__}, expected {shape.type_name}")
    match shape.type_name:
        case "structure":
            return _structure(shape, value, where)
        case "list":
            return [_from_json(shape.member, each, f"{where}[{n}]") for n, each in enumerate(value) if each is not None]
        case "map":
            return {key: _from_json(shape.value, each, f"{where}.{key}") for key, each in value.items()}
        case "blob":
            return _blob(value, where)
        case "timestamp":
            return _timestamp(value, where)
    return value


def _structure(shape: StructureShape, value: dict[str, Any], where: str) -> dict[str, Any]:
    found = {}
    for name, member in shape.members.items():
        if "location" in member.serialization:
            continue
        given = value.get(member.serialization.get("name", name))
        if given is not None:
            found[name] = _from_json(member, given, f"{where}.{name}" if where else name)
    return found


def _from_text(shape: Shape, value: str, where: str) -> Any:
    """A path label, a header or a parameter of the query string."""
    try:
        match shape.type_name:
            case "integer" | "long":
                return int(value)
            case "float" | "double":
                return float(value)
            case "boolean":
                return {"true": True, "false": False}[value]
            case "timestamp":
                return _timestamp(value, where)
    except (ValueError, KeyError) as error:
        raise Unreadable(f"{where} is not of type {shape.type_name}: {value!r}") from error
    return value


def _body(shape: StructureShape, body: bytes) -> dict[str, Any]:
    payload = shape.serialization.get("payload")
    if payload and shape.members[payload].type_name in {"blob", "string"}:
        as_text = shape.members[payload].type_name == "string"
        return {payload: body.decode("utf-8") if as_text else body} if body else {}
    try:
        value = json.loads(body) if body else {}
    except ValueError as error:
        raise Unreadable(f"the body is not JSON: {error}") from error
    if payload:
        return {payload: _from_json(shape.members[payload], value, payload)} if body else {}
    if not isinstance(value, dict):
        raise Unreadable("the body is not a JSON object")
    return _structure(shape, value, "")


def parsed(operation: OperationModel, labels: dict[str, str], request: Request) -> dict[str, Any]:
    """The input of an operation.

    Raises:
        Unreadable: if a member is not of its type.
    """
    shape = operation.input_shape
    if shape is None:
        return {}
    query: dict[str, list[str]] = {}
    for key, value in parse_qsl(request.query, keep_blank_values=True):
        query.setdefault(key, []).append(value)
    found = _body(shape, request.body)
    for name, member in shape.members.items():
        on_wire = member.serialization.get("name", name)
        match member.serialization.get("location"):
            case "uri" if on_wire in labels:
                found[name] = _from_text(member, labels[on_wire], name)
            case "header" if on_wire.lower() in request.headers:
                found[name] = _from_text(member, request.headers[on_wire.lower()], name)
            case "querystring" if on_wire in query:
                values = query[on_wire]
                several = member.type_name == "list"
                found[name] = (
                    [_from_text(member.member, each, name) for each in values]
                    if several
                    else _from_text(member, values[-1], name)
                )
    return found
