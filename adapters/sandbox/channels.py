"""What comes out of the wall: output and reports on pipes, and the launcher's messages. All of it untrusted, all of it
counted.
"""

import asyncio
import codecs
import os
from collections.abc import Callable
from typing import Literal

from host.interface import Emit, OutputEvent
from host.models import File

__all__ = ["REPORT_ALLOWANCE", "Budget", "Control", "Outlet", "Report"]

_CHUNK = 1 << 16
REPORT_ALLOWANCE = 16_384
"""Bytes on the report channel that do not count: frames' own heads, and the error that says why there is no value."""


class Budget:
    """How much may still come out. ``spent`` is called once, when it is used up."""

    def __init__(self, max_bytes: int, spent: Callable[[], None]) -> None:
        self.left = max_bytes
        self.exceeded = False
        self._spent = spent

    def take(self, wanted: int) -> int:
        """How many of ``wanted`` bytes are let through."""
        given = min(wanted, self.left)
        self.left -= given
        if given < wanted and not self.exceeded:
            self.exceeded = True
            self._spent()
        return given


class _Pipe:
    """The reading end of a pipe, read as it fills until its end, then closed."""

    _shared = False  # whether somebody else goes on using the descriptor

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = os.dup(descriptor) if self._shared else descriptor
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(self._descriptor, self._readable)

    def close(self) -> None:
        """Stop reading, whatever may still come."""
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
            self.at_end()
            if not self.ended.done():
                self.ended.set_result(None)

    def _readable(self) -> None:
        try:
            data = os.read(self._descriptor, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.take(data)
        else:
            self.close()

    def take(self, data: bytes) -> None:
        raise NotImplementedError

    def at_end(self) -> None:
        """Nothing more comes."""


class Outlet(_Pipe):
    """One of the program's output streams, decoded as it comes."""

    def __init__(self, descriptor: int, stream: Literal["stdout", "stderr"], budget: Budget, emit: Emit) -> None:
        super().__init__(descriptor)
        self._stream = stream
        self._budget = budget
        self._emit = emit
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._parts: list[str] = []
        self.bytes = 0

    @property
    def text(self) -> str:
        """All that was let through."""
        return "".join(self._parts)

    def take(self, data: bytes) -> None:
        """Count, decode and pass on."""
        data = data[: self._budget.take(len(data))]
        self.bytes += len(data)
        self._pass_on(self._decoder.decode(data))

    def at_end(self) -> None:
        """A character that the program cut short shows as U+FFFD; one that the limit cut does not show."""
        if not self._budget.exceeded:
            self._pass_on(self._decoder.decode(b"", final=True))

    def _pass_on(self, text: str) -> None:
        if text:
            self._parts.append(text)
            self._emit(OutputEvent(self._stream, text))


class Report(_Pipe):
    """The program's report channel, kept as bytes."""

    def __init__(self, descriptor: int, budget: Budget) -> None:
        super().__init__(descriptor)
        self._budget = budget
        self.data = bytearray()

    def take(self, data: bytes) -> None:
        """Keep what is free of charge, then what the budget lets through."""
        free = max(0, min(len(data), REPORT_ALLOWANCE - len(self.data)))
        self.data += data[: free + self._budget.take(len(data) - free)]


class Control(_Pipe):
    """The launcher's messages; see ``inside/launcher.py`` for what they mean.

    Attributes:
        ready: settled when the launcher waits for its plan, or never will.
        is_ready: which of the two.
        over: settled when the program has ended, or cannot start.
        outcome: exit code, signal, CPU time in microseconds, peak of the largest process in KiB; None while it runs.
        trouble: why the wall could not be set up.
        files, skipped: what came out of the work folder, and what did not.
    """

    _shared = True  # the plan goes the other way over the same socket

    def __init__(self, descriptor: int, max_files: int, max_bytes: int) -> None:
        super().__init__(descriptor)
        self.ready: asyncio.Future[None] = self._loop.create_future()
        self.is_ready = False
        self.over: asyncio.Future[None] = self._loop.create_future()
        self.outcome: tuple[int, int, int, int] | None = None
        self.trouble = ""
        self.files: list[File] = []
        self.skipped: list[str] = []
        self._buffer = bytearray()
        self._files_left = max_files
        self._bytes_left = max_bytes

    def take(self, data: bytes) -> None:
        """Read every message that is whole."""
        self._buffer += data
        while len(self._buffer) >= 9:
            length = int.from_bytes(self._buffer[1:9], "big")
            if length > self._bytes_left + 65_536:
                self.trouble = "the launcher sent a message that is too long"
                self.close()
                return
            if len(self._buffer) < 9 + length:
                return
            kind, body = self._buffer[:1].decode("latin-1"), bytes(self._buffer[9 : 9 + length])
            del self._buffer[: 9 + length]
            self._message(kind, body)

    def at_end(self) -> None:
        """No more messages: nothing waits for one."""
        for future in (self.ready, self.over):
            if not future.done():
                future.set_result(None)

    def _message(self, kind: str, body: bytes) -> None:
        if kind == "F":
            self._file(body)
            return
        text = body.decode("utf-8", "replace")
        if kind == "R" and not self.ready.done():
            self.is_ready = True
            self.ready.set_result(None)
        elif kind == "X":
            self.trouble = text
            self.at_end()
        elif kind == "E":
            code, signal, cpu_us, peak_kib = (int(part) for part in text.split(","))
            self.outcome = (code, signal, cpu_us, peak_kib)
            if not self.over.done():
                self.over.set_result(None)
        elif kind == "S" and len(self.skipped) < 100:
            self.skipped.append(text)

    def _file(self, body: bytes) -> None:
        size = int.from_bytes(body[:2], "big")
        path, content = body[2 : 2 + size].decode("utf-8", "replace"), body[2 + size :]
        if self._files_left < 1 or len(content) > self._bytes_left:
            self.skipped.append(f"{path}: more than the policy lets out")
            return
        try:
            file = File(path=path, content=content)
        except ValueError:
            self.skipped.append(f"{path!r}: not a path that can be handed on")
            return
        self._files_left -= 1
        self._bytes_left -= len(content)
        self.files.append(file)
