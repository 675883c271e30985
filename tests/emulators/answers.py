"""The output of an operation, or an error, into an HTTP answer, as the service's model has it."""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from botocore.model import OperationModel, ServiceModel, Shape, StructureShape

from tests.emulators.service import ServiceError

__all__ = ["Answer", "answer_of", "as_json", "members_of", "refusal_of"]

_JSON = {"Content-Type": "application/json"}


@dataclass
class Answer:
    """What goes out.

    ``body`` is bytes, or an iterable whose items go out in chunks; ``stream`` is the shape of an event stream.
    """

    status: int
    headers: dict[str, str]
    body: bytes | Iterable[Any]
    stream: StructureShape | None = None


def _time(value: datetime, style: str) -> str | float:
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    match style:
        case "iso8601":
            return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case "rfc822":
            return format_datetime(value.astimezone(UTC), usegmt=True)
    return round(value.timestamp(), 3)


def as_json(shape: Shape, value: Any) -> Any:
    """A value as it stands in a JSON body. Members that the shape does not have are an error of the handler.

    Raises:
        TypeError: if the handler returned what the model does not have.
    """
    if getattr(shape, "is_document_type", False):
        return value
    match shape.type_name:
        case "structure":
            return _structure(shape, value)
        case "list":
            return [as_json(shape.member, each) for each in value]
        case "map":
            return {key: as_json(shape.value, each) for key, each in value.items()}
        case "blob":
            return base64.b64encode(value).decode()
        case "timestamp":
            return _time(value, shape.serialization.get("timestampFormat", "unixTimestamp"))
        case "string":
            if shape.metadata.get("enum") and value not in shape.metadata["enum"]:
                raise TypeError(f"{value!r} is not in the enumeration {shape.name}")
            if not isinstance(value, str):
                raise TypeError(f"{shape.name} should be text and is {value!r}")
    return value


def _structure(shape: StructureShape, value: dict[str, Any]) -> dict[str, Any]:
    _known(shape, value)
    return {
        member.serialization.get("name", name): as_json(member, value[name])
        for name, member in shape.members.items()
        if value.get(name) is not None and "location" not in member.serialization
    }


def _known(shape: StructureShape, value: dict[str, Any]) -> None:
    if unknown := value.keys() - shape.members.keys():
        raise TypeError(f"{shape.name} has no {', '.join(sorted(unknown))}")
    if missing := [name for name in shape.metadata.get("required", ()) if value.get(name) is None]:
        raise TypeError(f"{shape.name} requires {', '.join(missing)}")


def _headers(shape: StructureShape, value: dict[str, Any]) -> dict[str, str]:
    found = {}
    for name, member in shape.members.items():
        if member.serialization.get("location") == "header" and value.get(name) is not None:
            given = value[name]
            if isinstance(given, datetime):
                given = _time(given, member.serialization.get("timestampFormat", "rfc822"))
            elif isinstance(given, bool):
                given = str(given).lower()
            found[member.serialization["name"]] = str(given)
    return found


def _status(operation: OperationModel, value: dict[str, Any]) -> int:
    shape = operation.output_shape
    for name, member in shape.members.items() if shape else ():
        if member.serialization.get("location") == "statusCode" and value.get(name) is not None:
            return value[name]
    return operation.http.get("responseCode", 200)


def answer_of(operation: OperationModel, value: dict[str, Any] | None) -> Answer:
    """The answer for what a handler returned.

    Raises:
        TypeError: if it is not what the model has.
    """
    value = value or {}
    shape = operation.output_shape
    status = _status(operation, value)
    if shape is None:
        return Answer(status, {}, b"" if status == 204 else b"{}")
    _known(shape, value)
    headers = _headers(shape, value)
    payload = shape.serialization.get("payload")
    if payload is None:
        return Answer(
            status, {"Content-Type": "application/json", **headers}, json.dumps(_structure(shape, value)).encode()
        )
    member, given = shape.members[payload], value.get(payload)
    if member.serialization.get("eventstream"):
        return Answer(status, {"Content-Type": "application/vnd.amazon.eventstream"} | headers, given or (), member)
    if member.type_name == "structure":
        return Answer(
            status, {"Content-Type": "application/json", **headers}, json.dumps(as_json(member, given or {})).encode()
        )
    if isinstance(given, str):
        given = given.encode()
    kind = "application/json" if not member.serialization.get("streaming") else "application/octet-stream"
    return Answer(status, {"Content-Type": kind, **headers}, b"" if given is None else given)


def members_of(shape: StructureShape, error: ServiceError) -> dict[str, Any]:
    """The members of an error's shape. What they call the message differs by service."""
    name = next((each for each in shape.members if each.lower() == "message"), None)
    kind = {"Type": "User" if error.status < 500 else "Service"} if "Type" in shape.members else {}
    return kind | ({name: error.message} if name else {}) | error.members


def refusal_of(model: ServiceModel, error: ServiceError) -> Answer:
    """The answer for an error: the status and the members that the model has for it."""
    headers = _JSON | {"x-amzn-errortype": error.code}
    shape = next((each for each in model.error_shapes if error.code in {each.name, each.error_code}), None)
    if shape is None:
        body = {"message": error.message, **error.members}
        return Answer(error.status, headers, json.dumps(body).encode())
    status = error.status = shape.metadata.get("error", {}).get("httpStatusCode", error.status)
    value = members_of(shape, error)
    return Answer(status, headers | _headers(shape, value), json.dumps(_structure(shape, value)).encode())
