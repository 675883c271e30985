"""The wall itself: start bubblewrap with the launcher in it, and know for certain when everything inside is dead."""

import asyncio
import contextlib
import fcntl
import functools
import os
import signal
import socket
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.sandbox.bubblewrap import Bubblewrap, View, arguments, read_child_pid
from adapters.sandbox.spawner import Around, Spawner
from adapters.sandbox.staging import EMPTY, KEEPER, LAUNCHER
from adapters.sandbox.strays import kill_strays
from host.errors import AdapterError

__all__ = ["Interpreter", "UserIds", "Wall", "Walled"]

_BEYOND_STANDARD = 10  # descriptors that the launcher moves must not lie where it moves them
_FORKED_FROM = {"LD_BIND_NOW": "1"}  # functions of libraries are found once, not in each process that is forked
_INFO_BYTES = 65_536
_DIAGNOSTIC_BYTES = 4096


class UserIds:
    """The user ids that a host which is root gives its runs, each to one at a time."""

    def __init__(self, first: int, count: int) -> None:
        self._free = deque(range(first, first + count))
        self._count = count

    def take(self) -> int:
        """An id that no other run of this host has.

        Raises:
            AdapterError: all are taken.
        """
        if not self._free:
            raise AdapterError(
                f"all {self._count} user ids for runs are taken",
                remedy="Raise adapters.sandbox.uid_count, or run less at one time.",
                retryable=True,
                may_have_started=False,
            )
        return self._free.popleft()

    def give_back(self, uid: int) -> None:
        """It is free again; the ones that were free for longer are used first."""
        self._free.append(uid)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The Python that the launcher runs on: its path inside, and the host's folder that shows as /guest."""

    inside: str
    guests: Path


class Walled:
    """One sandbox, from before it is started until all in it is dead. Whoever makes one kills, awaits and closes it.

    Args:
        label: what its processes carry in their arguments.
        kind: of the control socket.

    Attributes:
        pid: the launcher as this host sees it, process 1 inside.
        control: the socket to the launcher, non-blocking.
        stdout, stderr, report: reading ends of what the program writes.
        cpu_ms: CPU time of all that ran in it; None until it has ended.
    """

    def __init__(self, label: str, kind: socket.SocketKind = socket.SOCK_STREAM) -> None:
        self.label = label
        self.pid = 0
        self.cpu_ms: float | None = None
        self.frame = os.memfd_create("frame", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        self.stdout, self._stdout_inside = os.pipe()
        self.stderr, self._stderr_inside = os.pipe()
        self.report, self._report_inside = _high(os.pipe())
        self._info, self._info_inside = os.pipe()
        self.control, self._control_inside = socket.socketpair(socket.AF_UNIX, kind)
        self.control.settimeout(0)
        self._control_number = fcntl.fcntl(self._control_inside.fileno(), fcntl.F_DUPFD_CLOEXEC, _BEYOND_STANDARD)
        self._process: subprocess.Popen[bytes] | None = None
        self._process_handle = self._launcher_handle = -1

    def options(self, extra: Sequence[int] = (), environment: Mapping[str, str] | None = None) -> dict[str, Any]:
        """For ``subprocess.Popen``; ``extra`` are more descriptors for inside."""
        return {
            "stdin": self.frame,
            "stdout": self._stdout_inside,
            "stderr": self._stderr_inside,
            "pass_fds": (self._report_inside, self._control_number, self._info_inside, *extra),
            "env": dict(environment or {}),
            "cwd": "/",
            "start_new_session": True,  # a terminal's Ctrl-C is for the host to deal with
        }

    @property
    def numbers(self) -> tuple[int, int, int]:
        """Descriptor numbers inside: report, control, info."""
        return self._report_inside, self._control_number, self._info_inside

    @property
    def bubblewrap(self) -> int:
        """Its process id; 0 before it was started."""
        return self._process.pid if self._process else 0

    @property
    def descriptors(self) -> int:
        """How many it holds open."""
        held = (self.frame, self.stdout, self.stderr, self.report, self._info)
        return 1 + sum(each >= 0 for each in (*held, self._process_handle, self._launcher_handle))

    def adopt(self, process: "subprocess.Popen[bytes]") -> None:
        """Take over the process that was started."""
        self._process = process
        self._process_handle = os.pidfd_open(process.pid)
        self._close_inside()

    async def started(self) -> None:
        """Learn which process the launcher is.

        Raises:
            AdapterError: bubblewrap could not build the sandbox; the message is its own.
        """
        info = b""
        while (pid := read_child_pid(info)) is None:
            await _readable(self._info)
            chunk = os.read(self._info, _INFO_BYTES)
            if not chunk:
                raise await self.failure("it did not start")
            info += chunk
        self.pid = pid
        try:
            self._launcher_handle = os.pidfd_open(pid)
        except OSError:
            raise await self.failure("it ended at once") from None

    async def failure(self, what: str) -> AdapterError:
        """The error for a wall that did not come up: kills it, and tells what it wrote. Nothing of the caller's has
        run.
        """
        self.kill()
        await self.dead()
        return AdapterError(
            f"the wall could not be set up: {self.said() or what}",
            remedy="Run understudy doctor: it names each missing layer.",
            may_have_started=False,
        )

    def said(self) -> str:
        """What bubblewrap and we ourselves have written on stderr."""
        os.set_blocking(self.stderr, False)
        with contextlib.suppress(OSError):
            return os.read(self.stderr, _DIAGNOSTIC_BYTES).decode("utf-8", "replace").strip()
        return ""

    def give_frame(self, frame: bytes) -> None:
        """Set what the program finds on its stdin, for good."""
        view = memoryview(frame)
        position = 0
        while position < len(view):
            position += os.pwrite(self.frame, view[position : position + (1 << 24)], position)
        fcntl.fcntl(
            self.frame,
            fcntl.F_ADD_SEALS,
            fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL,
        )

    def kill(self) -> None:
        """Kill process 1, and with it everything inside. While nobody knows it yet, nothing: see ``dead``."""
        if self._launcher_handle >= 0:
            _kill(self._launcher_handle)

    async def dead(self) -> None:
        """Wait until nothing of it lives: process 1 ends only after all others inside have.

        A bubblewrap that has not told which process the launcher is gets killed, and what it may have started is looked
        for.
        """
        if self._launcher_handle < 0 <= self._process_handle:
            _kill(self._process_handle)
            await _readable(self._process_handle)
            for handle in await asyncio.to_thread(kill_strays, self.label):
                await _readable(handle)
                os.close(handle)
        for handle in (self._launcher_handle, self._process_handle):
            if handle >= 0:
                await _readable(handle)
        if self._process is not None and self._process.returncode is None:
            _, status, usage = os.wait4(self._process.pid, 0)  # noqa: ASYNC222 - it has ended
            self._process.returncode = os.waitstatus_to_exitcode(status)
            self.cpu_ms = (usage.ru_utime + usage.ru_stime) * 1000

    def close(self) -> None:
        """Give every descriptor back that has not been taken over."""
        self._close_inside()
        self.control.close()
        for name in ("frame", "stdout", "stderr", "report", "_info", "_process_handle", "_launcher_handle"):
            if (descriptor := getattr(self, name)) >= 0:
                setattr(self, name, -1)
                os.close(descriptor)

    def taken(self, name: str) -> int:
        """Hand the descriptor over to a reader that will close it."""
        descriptor: int = getattr(self, name)
        setattr(self, name, -1)
        return descriptor

    def _close_inside(self) -> None:
        self._control_inside.close()
        for name in ("_stdout_inside", "_stderr_inside", "_report_inside", "_info_inside", "_control_number"):
            if (descriptor := getattr(self, name)) >= 0:
                setattr(self, name, -1)
                os.close(descriptor)


class Wall:
    """Makes sandboxes."""

    def __init__(self, bubblewrap: Bubblewrap, spawner: Spawner) -> None:
        self._bubblewrap = bubblewrap
        self._spawner = spawner

    async def spawn(
        self,
        walled: Walled,
        view: View,
        interpreter: Interpreter,
        preload: Sequence[str],
        uid: int | None,
        around: Around,
        proc: int | None = None,
    ) -> None:
        """Start the process of ``walled``: a launcher, or a keeper where it is given ``proc``.

        Args:
            walled: fresh.
            view: what the program will see of the host.
            interpreter: what the launcher runs on.
            preload: the modules that it imports while it waits.
            uid: the user id that the sandbox runs as, for a host that is root.
            around: entered, in the spawner's thread, while bubblewrap is started.
            proc: a descriptor of this host's /proc.

        Raises:
            AdapterError: it could not be started.
        """
        trees = [host for _, host in view.trees]
        build = functools.partial(self._command, walled, view, interpreter, preload, proc)
        options = walled.options() if proc is None else walled.options((proc,), _FORKED_FROM)
        walled.adopt(await self._spawner.spawn(build, trees, around, uid, **options))

    def _command(
        self,
        walled: Walled,
        view: View,
        interpreter: Interpreter,
        preload: Sequence[str],
        proc: int | None,
        sources: dict[Path, str],
    ) -> Sequence[str]:
        report, control, info = walled.numbers
        shown = arguments(view, sources, f"{sources[interpreter.guests]}/{EMPTY}", info)
        program: tuple[str, ...]
        if proc is None:
            program = (LAUNCHER, str(report), str(control), ",".join(preload) or "-")
        else:
            program = (KEEPER, str(control), str(proc))
        started = ["-I", "-S", "-X", "utf8", *program, walled.label]
        return [self._bubblewrap.program, *shown, "--", interpreter.inside, *started]


def _high(pair: tuple[int, int]) -> tuple[int, int]:
    """The same pipe with its writing end past the numbers that the launcher uses itself."""
    reading, writing = pair
    high = fcntl.fcntl(writing, fcntl.F_DUPFD_CLOEXEC, _BEYOND_STANDARD)
    os.close(writing)
    return reading, high


async def _readable(descriptor: int) -> None:
    """Wait until something can be read, or a process that the descriptor stands for has ended."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    loop.add_reader(descriptor, _settle, future)
    try:
        await future
    finally:
        loop.remove_reader(descriptor)


def _kill(handle: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(handle, signal.SIGKILL)


def _settle(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
