"""One sandbox that comes from a nursery: from before it is ready until everything in it is dead."""

import array
import asyncio
import contextlib
import os
import re
import select
import signal
import socket
import struct
from dataclasses import dataclass
from typing import Protocol, TypeVar

from host.errors import AdapterError

__all__ = ["HEAD_BYTES", "Figures", "Spare", "settle"]

_T = TypeVar("_T")

_ANCILLARY_BYTES = 64
_LINE_BYTES = 8192
HEAD_BYTES = 9
"""Of a message from the keeper: a letter and a number."""

_READY_S = 10.0
"""How long a sandbox may take to get ready. It takes some milliseconds, even on a machine that is overrun."""

_ENDED = "it ended before it was ready"
_FIGURES = struct.Struct(">qqq")
_PID = re.compile(rb"^Pid:\s+(\d+)", re.MULTILINE)


class Nurse(Protocol):
    """What a sandbox wants of its nursery.

    Attributes:
        trouble: why it is gone, or "".
    """

    trouble: str

    def order(self, letter: bytes, spare: "Spare", *descriptors: int) -> None:
        """Tell the keeper something about a sandbox."""
        ...


@dataclass(frozen=True, slots=True)
class Figures:
    """How a program ended: its wait status, its CPU time, the most memory that it or a child of it had."""

    status: int
    cpu_us: int
    peak_kib: int

    @classmethod
    def of(cls, message: bytes) -> "Figures":
        """As the keeper tells them."""
        return cls(*_FIGURES.unpack_from(message, HEAD_BYTES))


class Spare:
    """One sandbox that waits for its program, and later runs it.

    Attributes:
        line: the socket to the process inside.
        stdout, stderr, report: reading ends of what the program writes.
        ended: settled when the program has ended; the sandbox is held, or soon dead: how it ended, or None where nobody
            saw it.
        dead: settled when every process in it is dead: how the program ended, or None where nobody saw it.
        held: whether it stays when its program has ended, for its files to be taken.
        in_use: whether it has been handed out; one that ends before that is buried at once.
        cpu_before_us: CPU time that it took to get ready.
        trouble: why it could not be made, or "".
    """

    __slots__ = (
        "_first",
        "_folder",
        "_is_ready",
        "_keep",
        "_line_inside",
        "_loop",
        "_nursery",
        "_program",
        "_there",
        "cpu_before_us",
        "dead",
        "ended",
        "held",
        "in_use",
        "line",
        "number",
        "report",
        "stderr",
        "stdout",
        "trouble",
    )

    def __init__(self, nursery: Nurse, number: bytes, loop: asyncio.AbstractEventLoop) -> None:
        self._nursery = nursery
        self._loop = loop
        self._is_ready = False
        self._first = self._program = self._folder = -1
        self.number = number
        self.held = self.in_use = False
        self._there: asyncio.Future[None] | None = None
        self.cpu_before_us = 0
        self.trouble = ""
        self.ended: asyncio.Future[Figures | None] = loop.create_future()
        self.dead: asyncio.Future[Figures | None] = loop.create_future()
        self.line, inside = socket.socketpair()
        self.stdout, stdout = os.pipe()
        self.stderr, stderr = os.pipe()
        self.report, report = os.pipe()
        # These ends stay open here too: the end of a program then wakes nobody until the keeper tells of it.
        self._keep = (stdout, stderr, report)
        self._line_inside = inside
        self.line.settimeout(0)

    @property
    def inside(self) -> tuple[int, int, int, int]:
        """The descriptors for inside: line, stdout, stderr, report."""
        return self._line_inside.fileno(), *self._keep

    def sent(self) -> None:
        """The other side has them. What is sent down the line from now on fails when nobody reads it any more."""
        self._line_inside.close()

    def take(self, first: int, program: int) -> None:
        """Its processes are there; these are handles of them."""
        self._first, self._program = first, program
        if self._there is not None:
            settle(self._there, None)

    async def ready(self) -> None:
        """Wait until it can take its job.

        Raises:
            AdapterError: it never will.
        """
        if not self.is_ready():
            self._understand(await self._hear())
        if self._program < 0:  # the process was quicker than the word of it
            self._there = self._loop.create_future()
            await asyncio.wait((self._there, self.dead), return_when=asyncio.FIRST_COMPLETED)

    def is_ready(self) -> bool:
        """Whether it can take its job now. From here on it is in use.

        Raises:
            AdapterError: it never will.
        """
        self.in_use = True
        if not self._is_ready:
            try:
                said = self._heard()
            except BlockingIOError:
                return False
            except ConnectionError:
                said = b""
            self._understand(said)
        return True

    def _heard(self) -> bytes:
        said, ancillary, _, _ = self.line.recvmsg(_LINE_BYTES, _ANCILLARY_BYTES, socket.MSG_CMSG_CLOEXEC)
        if ancillary:
            (self._folder,) = array.array("i", ancillary[0][2])
        return said

    def _understand(self, said: bytes) -> None:
        self._is_ready = said[:1] == b"R"
        if not self._is_ready:
            text = said[1:].decode("utf-8", "replace")
            raise AdapterError(
                f"a sandbox could not be set up: {text or self.trouble or self._nursery.trouble or _ENDED}",
                remedy="Run understudy doctor: it names each missing layer.",
                retryable=True,
                may_have_started=False,
            )
        self.cpu_before_us = int(said[1:])

    async def _hear(self) -> bytes:
        """What it says. It is taken from the line only when nobody can stop waiting for it any more."""
        spoken: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(self.line.fileno(), settle, spoken, None)
        await asyncio.wait((spoken, self.dead), timeout=_READY_S, return_when=asyncio.FIRST_COMPLETED)
        self._loop.remove_reader(self.line.fileno())
        with contextlib.suppress(BlockingIOError, ConnectionError):
            return self._heard()
        return b""

    def check(self) -> None:
        """Look whether it still lives, before it gets its job.

        Raises:
            AdapterError: it died while it waited.
        """
        lives = self._program >= 0
        if lives:
            waiting = select.poll()
            waiting.register(self._program, select.POLLIN)
            lives = not waiting.poll(0)
        if not lives:
            raise AdapterError("a sandbox died while it waited", retryable=True, may_have_started=False)

    def pids(self) -> tuple[int, int]:
        """The first process and the program as this host sees them; 0 for one that is dead."""
        return _pid_behind(self._first), _pid_behind(self._program)

    def complaint(self) -> str:
        """Why the program could not be started after all, or ""; to be asked when it is dead."""
        with contextlib.suppress(OSError):
            said = self.line.recv(_LINE_BYTES)
            if said[:1] == b"X":
                return said[1:].decode("utf-8", "replace")
        return ""

    @property
    def descriptors(self) -> int:
        """How many it holds open."""
        return 1 + len(self._held())

    def _held(self) -> list[int]:
        held = (self.stdout, self.stderr, self.report, self._first, self._program, self._folder, *self._keep)
        return [descriptor for descriptor in held if descriptor >= 0]

    def kill(self) -> None:
        """Kill everything in it."""
        if self._first >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._first, signal.SIGKILL)
        else:
            self._nursery.order(b"B", self)

    def interrupt(self) -> None:
        """What Ctrl-C does, to the program alone."""
        if self._program >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._program, signal.SIGINT)

    def kill_program(self) -> None:
        """Kill the program alone; what else it started is killed when the files are taken."""
        if self._program >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._program, signal.SIGKILL)

    def has_files(self) -> bool:
        """Whether there may be anything in the work folder."""
        with contextlib.suppress(OSError), os.scandir(self._folder) as entries:
            return next(entries, None) is not None
        return True

    def send_files_to(self, descriptor: int) -> None:
        """Have the files of a held sandbox sent, and it buried."""
        self._nursery.order(b"F", self, descriptor)

    def taken(self, name: str) -> int:
        """Hand a descriptor over to a reader that will close it."""
        descriptor: int = getattr(self, name)
        setattr(self, name, -1)
        return descriptor

    def close(self) -> None:
        """Give every descriptor back; nothing in it lives any more."""
        self.line.close()
        self._line_inside.close()
        for descriptor in self._held():
            os.close(descriptor)
        self.stdout = self.stderr = self.report = self._first = self._program = self._folder = -1
        self._keep = (-1, -1, -1)


def _pid_behind(handle: int) -> int:
    """The process behind a handle; 0 when it is dead."""
    if handle < 0:
        return 0
    with contextlib.suppress(FileNotFoundError), open(f"/proc/self/fdinfo/{handle}", "rb") as file:  # noqa: PTH123
        found = _PID.search(file.read())
        return int(found[1]) if found else 0
    return 0  # it was given back meanwhile: who asks may be in another thread


def settle(future: "asyncio.Future[_T]", value: _T) -> None:
    """Give a future its value if it waits for one."""
    if not future.done():
        future.set_result(value)
