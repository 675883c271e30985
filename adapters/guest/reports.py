"""What came back from a guest: read, capped and decoded.

All of it is untrusted; the worst that it can be is malformed.
"""

import re
from dataclasses import dataclass
from typing import Any

from adapters.guest.protocol import FrameError, unpack
from host.models import Display
from host.values import ValueFormatError, decode

__all__ = ["GuestError", "GuestReport", "read_report", "read_text_report"]

_MAX_FRAMES = 1000
_MAX_DISPLAYS = 100
_MAX_NAME = 200
_MAX_MESSAGE = 4000
_ENVELOPE_BYTES = 64 << 10  # what a frame may hold beside its value
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class GuestError:
    """What ended the program, as the guest tells it. ``line`` and ``column`` count from 1; 0 where there is none."""

    type: str
    message: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        said = f"{self.type}: {self.message}" if self.message else self.type
        return f"{said} (line {self.line})" if self.line else said


@dataclass(frozen=True, slots=True)
class GuestReport:
    """What the guest said.

    Attributes:
        value: the program's value; None where it has none.
        displays: what it showed, in order.
        error: what ended it, where it was an exception, a syntax error or an exit code other than 0.
        malformed: why the report cannot be trusted to be whole, or "". What was read before is kept.
    """

    value: Any = None
    displays: tuple[Display, ...] = ()
    error: GuestError | None = None
    malformed: str = ""


def read_report(data: bytes, max_value_bytes: int) -> GuestReport:
    """The report in the bytes that came on the report channel, whatever they are.

    Of several values or errors the last one counts.

    Args:
        data: all that came; the adapter has capped it.
        max_value_bytes: the policy's ``max_output_bytes``. The guest itself holds the value to it; a frame may be a
            little longer, for what else is in it.
    """
    value: Any = None
    displays: list[Display] = []
    error: GuestError | None = None
    try:
        for number, message in enumerate(unpack(data, max_value_bytes + _ENVELOPE_BYTES)):
            if number >= _MAX_FRAMES:
                raise FrameError(f"there are more than {_MAX_FRAMES} frames")
            kind = message.get("kind")
            if kind == "value":
                value = _value(message)
            elif kind == "display":
                displays.append(_display(message))
            elif kind == "error":
                error = _error(message)
            else:
                raise FrameError("a frame is of no known kind")
            if len(displays) > _MAX_DISPLAYS:
                raise FrameError(f"there are more than {_MAX_DISPLAYS} displays")
    except (FrameError, ValueFormatError) as fault:
        return GuestReport(value, tuple(displays[:_MAX_DISPLAYS]), error, f"the guest's report is malformed: {fault}")
    return GuestReport(value, tuple(displays), error)


def read_text_report(data: bytes) -> GuestReport:
    """The report of a guest that writes the bare text of its value; no bytes at all are no value."""
    return GuestReport(data.decode("utf-8", "replace") if data else None)


def _value(message: dict[str, Any]) -> Any:
    if "value" not in message:
        raise FrameError("a value frame holds no value")
    return decode(message["value"])


def _display(message: dict[str, Any]) -> Display:
    return Display(mime=_text(message, "mime", _MAX_NAME), data=_text(message, "data", None))


def _error(message: dict[str, Any]) -> GuestError:
    return GuestError(
        _text(message, "type", _MAX_NAME),
        _text(message, "message", _MAX_MESSAGE),
        _count(message, "line"),
        _count(message, "column"),
    )


def _text(message: dict[str, Any], field: str, longest: int | None) -> str:
    value = message.get(field)
    if type(value) is not str:
        raise FrameError(f"field {field!r} of a frame is not text")
    return _SURROGATE.sub("\ufffd", value[:longest])


def _count(message: dict[str, Any], field: str) -> int:
    value = message.get(field, 0)
    return value if type(value) is int and 0 <= value < 1 << 31 else 0
