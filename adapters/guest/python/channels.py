"""The guest's channels: standard streams for the program, and the report channel for the host."""

import _thread
import io
import os
import sys

from . import protocol

__all__ = [
    "Report",
    "TooLargeError",
    "complain",
    "current",
    "flush",
    "identity",
    "open_streams",
    "open_streams_ahead",
    "repr_of",
    "text_of",
    "use",
]

_MAX_MESSAGE = 4000
_MOST_DISPLAYS = 100


class TooLargeError(Exception):
    """The value, or something shown, takes more bytes than the policy lets out."""

    __module__ = "builtins"  # tracebacks and the host know it by its bare name


_state = {"report": None}


def use(report):
    """Let what the program shows from now on go to ``report``."""
    _state["report"] = report


def current():
    """The report that displays go to."""
    return _state["report"]


class Report:
    """The frames that go to the host."""

    def __init__(self, fd, max_value_bytes):
        self._fd = fd
        self._identity = identity(fd)
        self.max_value_bytes = max_value_bytes
        self._pid = os.getpid()
        self._lock = _thread.allocate_lock()
        self._shown = self._shown_bytes = 0
        os.set_inheritable(fd, 0)

    def is_mine(self):
        """False in a process that the program forked off: it has no say in the answer."""
        return os.getpid() == self._pid

    def value(self, wire):
        """Send the value, given as wire bytes.

        Raises:
            TooLargeError: over the limit.
            OSError: the program closed the channel.
        """
        if len(wire) > self.max_value_bytes:
            raise TooLargeError(
                f"it takes {len(wire)} bytes and the policy lets out {self.max_value_bytes} (max_output_bytes)"
            )
        self._write(b'{"kind":"value","value":' + wire + b"}")

    def room_for_display(self):
        """How many bytes the next display may take."""
        return max(0, self.max_value_bytes - self._shown_bytes)

    def display(self, frame):
        """Send something that the program shows, given as the JSON bytes of its frame.

        Raises:
            TooLargeError: over the limit.
            RuntimeError: too many, or from a process that the program forked off.
            OSError: the program closed the channel.
        """
        if not self.is_mine():
            raise RuntimeError("a process that the program forked off cannot show anything")
        if self._shown == _MOST_DISPLAYS:
            raise RuntimeError(f"a program shows at most {_MOST_DISPLAYS} things")
        if len(frame) > self.room_for_display():
            raise TooLargeError(
                f"a display takes {len(frame)} bytes, and {self.room_for_display()} are left of the "
                f"{self.max_value_bytes} that the policy lets out (max_output_bytes)"
            )
        self._write(frame)
        self._shown += 1
        self._shown_bytes += len(frame)

    def error(self, kind, message, line, column):
        """Send what ended the program. Nobody is told if the program closed the channel: stderr has it too."""
        if not self.is_mine():
            return
        frame = {"kind": "error", "type": kind, "message": message[:_MAX_MESSAGE], "line": line, "column": column}
        try:  # noqa: SIM105 - contextlib would be one import more
            self._write(frame)
        except OSError:
            pass

    def done(self, exit_code):
        """Say that the program, or a command of a session, is over.

        Raises:
            OSError: the program closed the channel.
        """
        if self.is_mine():
            self._write(b'{"kind":"done","exit_code":%d}' % (exit_code & 0xFF))
            self._shown = self._shown_bytes = 0

    def _write(self, frame):
        if identity(self._fd) != self._identity:
            raise OSError("the program has put another file in its place")
        with self._lock:  # threads of the program's may show things
            protocol.write_frame(self._fd, frame)


def identity(fd):
    """What tells one open file from another. Raises OSError where there is none."""
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


class _Unbuffered(io.BufferedWriter):
    """Every write goes out at once and whole, so that what was printed survives a kill."""

    def write(self, data):
        count = super().write(data)
        self.flush()
        return count


def open_streams():
    """Fresh text streams over descriptors 0, 1 and 2. Stdin is empty."""
    try:
        empty = os.open("/dev/null", os.O_RDONLY)
    except OSError:  # a wall without /dev: a pipe that nobody writes to is as empty
        empty, writer = os.pipe()
        os.close(writer)
    os.dup2(empty, 0)
    os.close(empty)
    stdin = io.TextIOWrapper(io.BufferedReader(_raw(0, "rb", "<stdin>")), "utf-8", "surrogateescape")
    stdin.mode = "r"
    sys.stdin = sys.__stdin__ = stdin
    sys.stdout = sys.__stdout__ = _writer(1, "<stdout>", "surrogateescape")
    sys.stderr = sys.__stderr__ = _writer(2, "<stderr>", "backslashreplace")


def open_streams_ahead():
    """The same in a process that others are forked from, where their output is not there yet.

    A stream finds out only once whether it can seek; a program's output cannot, and what is there now might.
    """
    held = [os.dup(fd) for fd in (1, 2)]
    reader, writer = os.pipe()
    for fd in (1, 2):
        os.dup2(writer, fd)
    open_streams()
    for fd, own in enumerate(held, 1):
        os.dup2(own, fd)
    for fd in (reader, writer, *held):
        os.close(fd)


def _raw(fd, mode, name):
    raw = io.FileIO(fd, mode, closefd=False)
    raw.name = name
    return raw


def _writer(fd, name, errors):
    stream = io.TextIOWrapper(_Unbuffered(_raw(fd, "wb", name)), "utf-8", errors, "\n", write_through=True)
    stream.mode = "w"
    return stream


def flush():
    """Flush whatever the program has put in the place of stdout and stderr."""
    for stream in (sys.stdout, sys.stderr):
        try:  # noqa: SIM105
            stream.flush()
        except BaseException:  # closed, None, or an object of the program's
            pass


def complain(message):
    """One line on stderr, whatever the program made of it."""
    try:  # noqa: SIM105
        os.write(2, (message + "\n").encode("utf-8", "backslashreplace"))
    except OSError:
        pass


def text_of(thing):
    """``str`` of an exception or exit code of the program's; its class may be broken."""
    try:
        return str.__str__(str(thing))
    except Exception as error:
        return f"<{type(thing).__name__}: str() failed with {type(error).__name__}>"


def repr_of(thing):
    """``repr`` of anything; its class may be broken."""
    try:
        return str.__str__(repr(thing))
    except Exception as error:
        return f"<{type(thing).__name__}: repr() failed with {type(error).__name__}>"
