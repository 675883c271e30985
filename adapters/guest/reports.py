"""What came back from a guest: read as it comes, capped and decoded.

All of it is untrusted; the worst that it can be is malformed.
"""

import re
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from adapters.guest.protocol import HEAD_BYTES, FrameError, parse
from host.displays import MAX_DISPLAYS, MAX_TITLE, Display, is_text
from host.values import ValueFormatError, decode

__all__ = [
    "GuestDone",
    "GuestError",
    "GuestReport",
    "GuestValue",
    "ReportEvent",
    "ReportReader",
    "read_report",
    "read_text_report",
]

_MAX_FRAMES = 1000
_MAX_NAME = 200
_MAX_MESSAGE = 4000
_ENVELOPE_BYTES = 64 << 10  # what a frame may hold beside its value
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class GuestValue:
    """The program's value."""

    value: Any


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


@dataclass(frozen=True, slots=True)
class GuestDone:
    """A command of a session is over.

    Attributes:
        exit_code: the one that the command would have as a program of its own, 0 to 255.
        report: all that the guest said since the command before it was done.
    """

    exit_code: int
    report: GuestReport


ReportEvent = GuestValue | Display | GuestError | GuestDone


class ReportReader:
    """Reads a report channel piece by piece, whatever comes.

    Of several values or errors the last one counts. What is malformed ends the reading for good: it cannot be known
    where the next frame begins. What was read before is kept.

    Args:
        max_value_bytes: the policy's ``max_output_bytes``. The guest itself holds the value to it; a frame may be a
            little longer, for what else is in it. More than one such frame is never held.

    Attributes:
        malformed: why no more is read, or "".
    """

    def __init__(self, max_value_bytes: int) -> None:
        self._max_frame_bytes = max_value_bytes + _ENVELOPE_BYTES
        self._waiting = bytearray()
        self._needed = HEAD_BYTES
        self.malformed = ""
        self._begin()

    def feed(self, data: bytes) -> list[ReportEvent]:
        """What ``data`` completes, in order. It takes about 10 ms for each MB of a frame that is completed."""
        events: list[ReportEvent] = []
        if self.malformed:
            return events
        self._waiting += data
        try:
            while len(self._waiting) >= self._needed:
                frame = self._next_frame()
                if frame is not None:
                    events.append(self._event(parse(frame)))
        except (FrameError, ValueFormatError) as fault:
            self.malformed = f"the guest's report is malformed: {fault}"
            self._waiting.clear()
        return events

    def finish(self) -> GuestReport:
        """What was said since the beginning, or since the last ``done``; nothing more comes."""
        if self._waiting and not self.malformed:
            self.malformed = "the guest's report is malformed: a frame is cut short"
        return self._report()

    def _begin(self) -> None:
        """Nothing is known of the program, or of the session's next command."""
        self._frames = 0
        self._value: Any = None
        self._displays: list[Display] = []
        self._error: GuestError | None = None

    def _report(self) -> GuestReport:
        return GuestReport(self._value, tuple(self._displays), self._error, self.malformed)

    def _next_frame(self) -> bytes | None:
        """The body of the frame that is whole now; None where only the length of one is known."""
        if self._needed == HEAD_BYTES:
            length = int.from_bytes(self._waiting[:HEAD_BYTES], "big")
            if length > self._max_frame_bytes:
                raise FrameError(f"a frame of {length} bytes is over the limit of {self._max_frame_bytes}")
            self._needed += length
            if len(self._waiting) < self._needed:
                return None
        frame = bytes(memoryview(self._waiting)[HEAD_BYTES : self._needed])
        del self._waiting[: self._needed]
        self._needed = HEAD_BYTES
        return frame

    def _event(self, message: dict[str, Any]) -> ReportEvent:
        self._frames += 1
        if self._frames > _MAX_FRAMES:
            raise FrameError(f"there are more than {_MAX_FRAMES} frames")
        kind = message.get("kind")
        if kind == "value":
            self._value = _value(message)
            return GuestValue(self._value)
        if kind == "display":
            display = _display(message)
            if len(self._displays) == MAX_DISPLAYS:
                raise FrameError(f"there are more than {MAX_DISPLAYS} displays")
            self._displays.append(display)
            return display
        if kind == "error":
            self._error = _error(message)
            return self._error
        if kind == "done":
            done = GuestDone(_number(message, "exit_code") & 0xFF, self._report())
            self._begin()
            return done
        raise FrameError("a frame is of no known kind")


def read_report(data: bytes, max_value_bytes: int) -> GuestReport:
    """The report of one program in the bytes that came on its channel, whatever they are.

    Args:
        data: all that came; the adapter has capped it.
        max_value_bytes: as for ``ReportReader``.
    """
    reader = ReportReader(max_value_bytes)
    for event in reader.feed(data):
        if isinstance(event, GuestDone):
            return event.report
    return reader.finish()


def read_text_report(data: bytes) -> GuestReport:
    """The report of a guest that writes the bare text of its value; no bytes at all are no value."""
    return GuestReport(data.decode("utf-8", "replace") if data else None)


def _value(message: dict[str, Any]) -> Any:
    if "value" not in message:
        raise FrameError("a value frame holds no value")
    return decode(message["value"])


def _display(message: dict[str, Any]) -> Display:
    forms = message.get("data")
    if type(forms) is not dict:
        raise FrameError("a display frame holds no forms")
    sizes = {side: _number(message, side) or None for side in ("width_px", "height_px")}
    title = _text(message, "title", MAX_TITLE) if "title" in message else ""
    try:
        return Display(data={mime: _content(mime, form) for mime, form in forms.items()}, title=title, **sizes)
    except ValidationError as error:
        raise FrameError(f"a display is wrong: {error.errors()[0]['msg']}") from None


def _content(mime: str, form: Any) -> Any:
    """The content of one form: text, or the tag of ``host.values`` for bytes, whichever the guest has."""
    if type(form) is str:
        return _SURROGATE.sub("\ufffd", form)
    if type(form) is dict and form.get("$type") == "bytes" and type(form.get("value")) is str:
        return decode(form).decode("utf-8", "replace") if is_text(mime.lower()) else form["value"]
    raise FrameError(f"form {mime[:80]!r} of a display is neither text nor bytes")


def _error(message: dict[str, Any]) -> GuestError:
    return GuestError(
        _text(message, "type", _MAX_NAME),
        _text(message, "message", _MAX_MESSAGE),
        _number(message, "line"),
        _number(message, "column"),
    )


def _text(message: dict[str, Any], field: str, longest: int) -> str:
    value = message.get(field)
    if type(value) is not str:
        raise FrameError(f"field {field!r} of a frame is not text")
    return _SURROGATE.sub("\ufffd", value[:longest])


def _number(message: dict[str, Any], field: str) -> int:
    """A number that the guest states; 0 where it is none, or none that can be."""
    value = message.get(field, 0)
    return value if type(value) is int and 0 <= value < 1 << 31 else 0
