"""Messages of `application/vnd.amazon.eventstream`: prelude, headers and payload, each under its CRC."""

import json
import struct
from binascii import crc32
from collections.abc import Iterable, Iterator
from typing import Any

from botocore.model import StructureShape

from tests.emulators import answers
from tests.emulators.service import ServiceError

__all__ = ["event", "frames", "refusal"]

_TEXT = 7


def _message(headers: dict[str, str], payload: bytes) -> bytes:
    head = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", _TEXT, len(value.encode())) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack("!II", 16 + len(head) + len(payload), len(head))
    message = prelude + struct.pack("!I", crc32(prelude)) + head + payload
    return message + struct.pack("!I", crc32(message))


def event(stream: StructureShape, name: str, value: dict[str, Any]) -> bytes:
    """One event of a stream: the member of the stream's shape, and its value."""
    shape = stream.members[name]
    headers = {":message-type": "event", ":event-type": name}
    for key, member in shape.members.items():
        if member.serialization.get("eventpayload") and member.type_name == "blob":
            content = {":content-type": "application/octet-stream"}
            return _message(headers | content, value.get(key) or b"")
    payload = json.dumps(answers.as_json(shape, value)).encode()
    return _message({**headers, ":content-type": "application/json"}, payload)


def refusal(stream: StructureShape, error: ServiceError) -> bytes:
    """An error in a stream: an exception event where the stream has such a member, otherwise an unmodelled error."""
    for name, shape in stream.members.items():
        if shape.name == error.code:
            headers = {":message-type": "exception", ":exception-type": name, ":content-type": "application/json"}
            body = answers.as_json(shape, answers.members_of(shape, error))
            return _message(headers, json.dumps(body).encode())
    return _message({":message-type": "error", ":error-code": error.code, ":error-message": error.message}, b"")


def frames(stream: StructureShape, events: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """The messages for what a handler yields, `{member: value}` each; a ServiceError is the last of them."""
    try:
        for each in events:
            ((name, value),) = each.items()
            yield event(stream, name, value)
    except ServiceError as error:
        yield refusal(stream, error)
