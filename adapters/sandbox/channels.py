"""What comes out of the wall: output and reports on pipes, and the launcher's messages. All of it untrusted, all of it
counted.
"""

import asyncio
import codecs
import os
import select
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal

from adapters.guest.reports import GuestDone, GuestReport, ReportEvent, ReportReader, read_text_report
from adapters.runner.budget import REPORT_ALLOWANCE, Budget
from adapters.runner.takeout import Takeout
from host.displays import Display
from host.interface import DisplayEvent, Emit, OutputEvent

__all__ = ["Control", "Outlet", "Pipe", "Report", "Taps"]

_CHUNK = 1 << 16
_LARGEST_PIPE = 1 << 20
"""What a program may make of a pipe (fs.pipe-max-size)."""

_READ_AT_ONCE = 1 << 20
"""Bytes of reports that are read as they come; parsing takes about 10 ms for each MB."""


class Taps:
    """Every pipe of an adapter behind one descriptor of the event loop, so that listening to one more costs little."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._pipes: dict[int, Pipe] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._epoll.fileno(), self._look)

    def add(self, descriptor: int, pipe: "Pipe") -> None:
        """Have ``pipe`` read when something comes or its end does."""
        self._pipes[descriptor] = pipe
        self._epoll.register(descriptor, select.EPOLLIN)

    def remove(self, descriptor: int) -> None:
        """No more; before the descriptor is closed."""
        if self._pipes.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def close(self) -> None:
        """Listen to nothing any more."""
        if not self._epoll.closed:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()

    def _look(self) -> None:
        for descriptor, _ in self._epoll.poll(0):
            pipe = self._pipes.get(descriptor)
            if pipe is not None:
                pipe.read()


class Pipe(ABC):
    """The reading end of a pipe or socket, read as it fills until its end, then closed.

    Args:
        descriptor: it, which this closes.
        taps: what it listens with, from ``listen`` on.
    """

    __slots__ = ("_descriptor", "_listens", "_taps", "ended")

    def __init__(self, descriptor: int, taps: Taps) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._taps = taps
        self._listens = False
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def listen(self) -> None:
        """Read from now on whenever something comes."""
        if not self._listens and self._descriptor >= 0:
            self._listens = True
            self._taps.add(self._descriptor, self)

    def pause(self) -> None:
        """Read nothing until ``listen`` or ``drain``."""
        if self._listens:
            self._listens = False
            self._taps.remove(self._descriptor)

    def drain(self) -> None:
        """Read all that is there now: no more than a pipe can hold, for somebody may still be writing."""
        for _ in range(_LARGEST_PIPE // _CHUNK + 1):
            if not self.read():
                return

    def close(self) -> None:
        """Stop reading, whatever may still come."""
        if self._descriptor >= 0:
            self.pause()
            os.close(self._descriptor)
            self._descriptor = -1
            self.at_end()
            if not self.ended.done():
                self.ended.set_result(None)

    def read(self) -> bool:
        """Read once. False where nothing is there now, or nothing more will come."""
        if self._descriptor < 0:
            return False
        try:
            data = os.read(self._descriptor, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if data:
            self.take(data)
        else:
            self.close()
        return bool(data)

    @abstractmethod
    def take(self, data: bytes) -> None:
        """Something came."""

    def at_end(self) -> None:  # noqa: B027 - most have nothing to do then
        """Nothing more comes."""


class Outlet(Pipe):
    """One of the program's output streams, decoded as it comes."""

    def __init__(
        self, descriptor: int, taps: Taps, stream: Literal["stdout", "stderr"], budget: Budget, emit: Emit
    ) -> None:
        super().__init__(descriptor, taps)
        self._stream = stream
        self.begin(budget, emit)

    def begin(self, budget: Budget, emit: Emit) -> None:
        """What comes from now on is another command's."""
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
        """Nothing more comes."""
        self.finish()

    def finish(self) -> None:
        """A character that the program cut short shows as U+FFFD; one that the limit cut does not show."""
        if not self._budget.exceeded:
            self._pass_on(self._decoder.decode(b"", final=True))

    def _pass_on(self, text: str) -> None:
        if text:
            self._parts.append(text)
            self._emit(OutputEvent(self._stream, text))


class Report(Pipe):
    """The program's report channel, read as it comes.

    Args:
        descriptor: the pipe.
        taps: what it listens with.
        budget: what may still come out.
        emit: is told of displays.
        max_value_bytes: the policy's ``max_output_bytes``.
        is_text: whether it carries the bare text of the value.
        done: is told when the guest says that it is over.
        to_the_end: read all of it as it comes, for nothing else will tell that a command is over. Otherwise what is
            long is read when the program has ended, in a thread.
    """

    def __init__(
        self,
        descriptor: int,
        taps: Taps,
        budget: Budget,
        emit: Emit,
        max_value_bytes: int,
        *,
        is_text: bool = False,
        done: Callable[[GuestDone], None] | None = None,
        to_the_end: bool = False,
    ) -> None:
        super().__init__(descriptor, taps)
        self._to_the_end = to_the_end
        self._reader = ReportReader(max_value_bytes)
        self._is_text = is_text
        self._done = done
        self._done_before: GuestReport | None = None
        self.begin(budget, emit)

    def begin(self, budget: Budget, emit: Emit) -> None:
        """What comes from now on is another command's."""
        self._budget = budget
        self._emit = emit
        self._unread = bytearray()
        self.bytes = 0

    def take(self, data: bytes) -> None:
        """Keep what is free of charge, then what the budget lets through."""
        free = max(0, min(len(data), REPORT_ALLOWANCE - self.bytes))
        data = data[: free + self._budget.take(len(data) - free)]
        self.bytes += len(data)
        self._unread += data
        if not self._is_text and (self.bytes <= _READ_AT_ONCE or self._to_the_end):
            self._tell(self._read_on())

    async def finish(self) -> GuestReport:
        """All that the guest said; nothing more comes."""
        if self._is_text:
            return read_text_report(bytes(self._unread))
        if self._unread:  # so much that the loop would stand still meanwhile
            self._tell(await asyncio.to_thread(self._read_on))
        return self._done_before or self._reader.finish()

    def _read_on(self) -> list[ReportEvent]:
        unread, self._unread = bytes(self._unread), bytearray()
        return self._reader.feed(unread)

    def _tell(self, events: list[ReportEvent]) -> None:
        for event in events:
            if isinstance(event, Display):
                self._emit(DisplayEvent(event))
            elif isinstance(event, GuestDone):
                self._done_before = self._done_before or event.report
                if self._done is not None:
                    self._done(event)


class Control(Pipe):
    """The launcher's messages; see ``inside/launcher.py`` for what they mean.

    Attributes:
        ready: settled when the launcher waits for its plan, or never will.
        is_ready: which of the two.
        over: settled when the program has ended, or cannot start.
        outcome: exit code, signal, CPU time in microseconds, peak of the largest process in KiB; None while it runs.
        trouble: why the wall could not be set up.
        takeout: what came out of the work folder, and what did not.
    """

    def __init__(self, descriptor: int, taps: Taps, takeout: Takeout) -> None:
        super().__init__(os.dup(descriptor), taps)  # the plan goes the other way over the same socket
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = loop.create_future()
        self.is_ready = False
        self.over: asyncio.Future[None] = loop.create_future()
        self.outcome: tuple[int, int, int, int] | None = None
        self.trouble = ""
        self.takeout = takeout
        self._buffer = bytearray()

    def take(self, data: bytes) -> None:
        """Read every message that is whole."""
        self._buffer += data
        while len(self._buffer) >= 9:
            length = int.from_bytes(self._buffer[1:9], "big")
            if length > self.takeout.bytes_left + 65_536:
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
            self.takeout.take(body)
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
        elif kind == "S":
            self.takeout.skip(text)
