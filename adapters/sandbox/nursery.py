"""A nursery: one bubblewrap with a keeper in it, from which sandboxes come that are ready before anybody needs them."""

import array
import asyncio
import contextlib
import errno
import itertools
import marshal
import os
import re
import select
import signal
import socket
import struct
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from adapters.sandbox import seccomp
from adapters.sandbox.cgroups import children
from adapters.sandbox.plan import Mould, as_message, environment_of
from adapters.sandbox.wall import Walled
from host.errors import AdapterError
from host.events import get_logger

__all__ = ["Figures", "Nursery", "Spare", "SpawnKeeper", "settle"]

_log = get_logger("understudy.sandbox")
_T = TypeVar("_T")

_MESSAGE_BYTES = 8192
_ANCILLARY_BYTES = 64
_LINE_BYTES = 8192
_HEAD_BYTES = 9  # of a message from the keeper: a letter and a number
_HOLDERS_AHEAD = 4  # as inside/holders.py has it
_READY_S = 10.0
"""How long a sandbox may take to get ready. It takes some milliseconds, even on a machine that is overrun."""

_NOT_NEEDED = "it is not needed any more"
_ENDED = "it ended before it was ready"
_FIGURES = struct.Struct(">qqq")
_PID = re.compile(rb"^Pid:\s+(\d+)", re.MULTILINE)


class SpawnKeeper(Protocol):
    """Starts the process of a nursery."""

    def __call__(self, walled: Walled, *, proc: int) -> Awaitable[None]: ...


@dataclass(frozen=True, slots=True)
class Figures:
    """How a program ended: its wait status, its CPU time, the most memory that it or a child of it had."""

    status: int
    cpu_us: int
    peak_kib: int

    @classmethod
    def of(cls, message: bytes) -> "Figures":
        """As the keeper tells them."""
        return cls(*_FIGURES.unpack_from(message, _HEAD_BYTES))


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

    def __init__(self, nursery: "Nursery", number: bytes, loop: asyncio.AbstractEventLoop) -> None:
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


class Nursery:
    """Makes sandboxes by telling a keeper.

    Args:
        label: what its processes carry in their arguments.
        lost: called once when the keeper is gone, however it came to that.

    Attributes:
        trouble: why it is gone, or "".
    """

    def __init__(self, label: str, lost: Callable[["Nursery"], None]) -> None:
        self._walled = Walled(label, socket.SOCK_SEQPACKET)
        self._control = self._walled.control
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._spares: dict[bytes, Spare] = {}
        self._numbers = itertools.count(1)
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._burial: asyncio.Future[None] | None = None
        self._is_up = False
        self.trouble = ""

    @property
    def alive(self) -> bool:
        """Whether sandboxes can be made now."""
        return self._is_up and not self.trouble

    @property
    def pid(self) -> int:
        """The keeper as this host sees it."""
        return self._walled.pid

    async def start(
        self, spawn: SpawnKeeper, preload: Sequence[str], environment: Mapping[str, str], timeout_s: float
    ) -> None:
        """Start the keeper and wait until all is loaded what it is to load.

        Args:
            spawn: starts the process.
            preload: the modules that programs find loaded.
            environment: the variables that it has meanwhile.
            timeout_s: how long all of that may take.

        Raises:
            AdapterError: it cannot be started; nothing of it is left.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._come_up(spawn, preload, environment)
        except TimeoutError:
            self.trouble = f"it took longer than {timeout_s:g} s"
        except OSError as ended:  # before it was told anything
            self.trouble = f"it ended at once: {ended}"
        except AdapterError:
            self.trouble = "it did not start"
            self._walled.close()
            raise
        if self.trouble:
            self._loop.remove_reader(self._control.fileno())
            error = await self._walled.failure(self.trouble)
            self._walled.close()
            raise error
        self._is_up = True

    async def _come_up(self, spawn: SpawnKeeper, preload: Sequence[str], environment: Mapping[str, str]) -> None:
        proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            await spawn(self._walled, proc=proc)
        finally:
            os.close(proc)
        await self._walled.started()
        self._loop.add_reader(self._control.fileno(), self._listen)
        start = {"preload": tuple(preload), "environment": environment_of(environment), "filter": seccomp.build()}
        self._control.send(marshal.dumps(start, 2))
        await self._ready

    def make(self, mould: Mould, doors: Sequence[int] = ()) -> Spare:
        """Have a sandbox made.

        Args:
            mould: what it is to be like.
            doors: descriptors of control groups, which it enters before anything else.

        Raises:
            AdapterError: the keeper is gone or cannot be told.
        """
        if not self.alive:
            raise AdapterError(f"the nursery is gone: {self.trouble}", retryable=True, may_have_started=False)
        number = next(self._numbers).to_bytes(8, "big")
        try:
            spare = Spare(self, number, self._loop)
            spare.held = mould.collect is not None
        except OSError as error:
            raise AdapterError(f"no sandbox can be made: {error}", retryable=True, may_have_started=False) from error
        try:
            self._tell((b"H" if spare.held else b"S") + number + mould.message, (*spare.inside, *doors))
            spare.sent()
            if mould.added_environment:
                spare.line.send(as_message(dict(mould.added_environment)))
        except OSError as error:
            spare.close()
            raise AdapterError(f"no sandbox can be made: {error}", retryable=True, may_have_started=False) from error
        self._spares[number] = spare
        return spare

    def order(self, letter: bytes, spare: Spare, *descriptors: int) -> None:
        """Tell the keeper something about a sandbox, if both are still there."""
        if spare.number in self._spares and not self.trouble:
            with contextlib.suppress(OSError):
                self._tell(letter + spare.number, descriptors)

    @property
    def holders(self) -> Sequence[int]:
        """The first processes of its sandboxes, as this host sees them."""
        return [spare.pids()[0] for spare in list(self._spares.values())]

    def processes(self, taken: Collection[int]) -> Sequence[int]:
        """Bubblewrap, the keeper, what makes holders, the template, and the few holders that are made ahead.

        Args:
            taken: the holders of sandboxes.
        """
        with contextlib.suppress(OSError):
            maker, template = children(self.pid)[:2]
            ahead = [pid for pid in children(maker) if pid not in taken]
            return [self._walled.bubblewrap, self.pid, maker, template, *ahead[:_HOLDERS_AHEAD]]
        return []

    @property
    def descriptors(self) -> int:
        """How many it holds open itself."""
        return self._walled.descriptors

    @property
    def busy(self) -> bool:
        """Whether any sandbox of it lives."""
        return bool(self._spares)

    def close_soon(self) -> None:
        """Say that it is gone; whoever is told buries it."""
        self._gone(_NOT_NEEDED)

    async def aclose(self) -> None:
        """Kill all that came from it, and wait until everything is dead."""
        self._gone(_NOT_NEEDED)
        if self._burial is None:
            self._burial = asyncio.ensure_future(self._bury())
        await asyncio.shield(self._burial)

    async def _bury(self) -> None:
        self._walled.kill()
        await self._walled.dead()
        self._walled.close()

    def _tell(self, message: bytes, descriptors: Sequence[int]) -> None:
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        self._control.sendmsg([message], ancillary)

    def _listen(self) -> None:
        while not self.trouble:
            try:
                message, ancillary, _, _ = self._control.recvmsg(
                    _MESSAGE_BYTES, _ANCILLARY_BYTES, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                return
            except OSError as error:
                message, ancillary = b"", []
                if error.errno != errno.ECONNRESET:
                    self._gone(str(error))
            if not message:
                self._gone(f"the keeper ended. {self._walled.said()}".strip())
                return
            self._take(message, array.array("i", b"".join(data for _, _, data in ancillary)))

    def _take(self, message: bytes, descriptors: Sequence[int]) -> None:
        letter, number = message[:1], message[1:_HEAD_BYTES]
        spare = self._spares.get(number)
        if letter == b"R":
            self._ready.set_result(None)
        elif spare is None:
            if letter == b"X":
                self._gone(message[_HEAD_BYTES:].decode("utf-8", "replace"))
            for descriptor in descriptors:
                os.close(descriptor)
        elif letter == b"P":
            spare.take(*descriptors)
        elif letter == b"E":
            settle(spare.ended, Figures.of(message))
            if not spare.in_use:
                spare.kill()
        elif letter == b"D":
            self._dead(spare, Figures.of(message))
        elif letter == b"X":
            spare.trouble = message[_HEAD_BYTES:].decode("utf-8", "replace")
            self._dead(spare, None)

    def _dead(self, spare: Spare, figures: Figures | None) -> None:
        del self._spares[spare.number]
        settle(spare.ended, figures)
        settle(spare.dead, figures)

    def _gone(self, why: str) -> None:
        """The keeper is gone, and with it all that came from it: the kernel kills what is in its namespace."""
        if self.trouble:
            return
        self.trouble = why
        self._loop.remove_reader(self._control.fileno())
        settle(self._ready, None)
        for spare in list(self._spares.values()):
            self._dead(spare, None)
        if self._is_up:
            if why != _NOT_NEEDED:
                _log.warning("nursery_gone", reason=why, label=self._walled.label)
            self._lost(self)


def _pid_behind(handle: int) -> int:
    """The process behind a handle; 0 when it is dead."""
    if handle < 0:
        return 0
    with open(f"/proc/self/fdinfo/{handle}", "rb") as file:  # noqa: PTH123
        found = _PID.search(file.read())
    return int(found[1]) if found else 0


def settle(future: "asyncio.Future[_T]", value: _T) -> None:
    """Give a future its value if it waits for one."""
    if not future.done():
        future.set_result(value)
