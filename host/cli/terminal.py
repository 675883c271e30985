"""What the command line shows, and how: output for people, output for machines, and nothing that steers a terminal."""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["EscapeStripper", "complain", "console", "joined", "print_event", "print_json", "printable", "waiting"]

_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor moves
    # OSC, DCS and kin: titles, clipboard; CAN and the next ESC end them too
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x18\x1b\x9c]*+(?:\x07|\x1b\\|\x9c|\x18|(?=\x1b[^\\]))"
    r"|(?P<open>(?:(?:\x1b\[|\x9b)[0-?]*[ -/]*"  # one of these that has not ended yet
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x18\x1b\x9c]*+\x1b?|\x1b[ -/]*)\Z)"
    r"|\x1b[ -/]*[0-Z\\^-~]"  # the short ones
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_HELD_BACK = 4096  # an escape sequence that has not ended after so many characters is none


class EscapeStripper:
    """Removes escape sequences and control characters from text that comes in pieces; newline and tab stay."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        """What can be shown now. The beginning of a sequence waits for its end."""
        text, self._held = self._held + text, ""
        text = _SEQUENCE.sub(self._removed, text)
        if text.endswith("\r"):  # perhaps of a line end
            text, self._held = text[:-1], "\r" + self._held
        return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))

    def _removed(self, sequence: re.Match[str]) -> str:
        """What stands in a sequence's place. One that is still open, and last, waits for its end."""
        if sequence["open"] is None:
            return ""
        if len(sequence[0]) > _HELD_BACK:
            return sequence[0]
        self._held = sequence[0]
        return ""

    def flush(self) -> str:
        """What was held back, without its control characters."""
        held, self._held = self._held, ""
        return _CONTROL.sub("", held.replace("\r", "\n"))


def printable(text: str) -> str:
    """``text`` without anything that steers a terminal."""
    stripper = EscapeStripper()
    return stripper.feed(text) + stripper.flush()


def joined(reason: str, remedy: str) -> str:
    """A reason and what to do about it, as two sentences."""
    reason = reason.strip()
    if reason and remedy and reason[-1] not in ".!?:":
        reason += "."
    return f"{reason} {remedy}".strip()


@cache
def console(*, stderr: bool = False) -> "Console":
    """The rich console on stdout or stderr. It colours only on a terminal, and not where NO_COLOR is set."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, emoji=False, markup=False, soft_wrap=True)


def print_json(data: Any) -> None:
    """One JSON document on stdout, in ASCII: nothing in it can steer a terminal."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, indent=2 if sys.stdout.isatty() else None)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def print_event(seq: int, name: str, data: Any) -> None:
    """One event of an execution as a line of JSON on stdout, at once."""
    line = json.dumps({"seq": seq, "event": name, "data": data}, ensure_ascii=True, allow_nan=False)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """A sentence for people, on stderr."""
    console(stderr=True).print(printable(text), style="red" if sys.stderr.isatty() else None)


def write(stream: TextIO, text: str) -> None:
    """Text as it is, at once; what the stream's encoding lacks is replaced."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding))
    stream.flush()


@contextmanager
def waiting(what: str, *, quiet: bool = False) -> Iterator[Any]:
    """Show a spinner on stderr while the block runs, if stderr is a terminal. Gives a function that ends it early."""
    if quiet or not sys.stderr.isatty():
        yield lambda: None
        return
    status = console(stderr=True).status(what)
    with status:
        yield status.stop
