"""The one thread that starts processes.

It lives as long as the adapter, because the kernel kills a sandbox when the *thread* that started it is gone. Where the
host is root it also has a mount namespace of its own, in which what a sandbox is to see lies below one folder that the
sandbox's user can reach: /root and other closed folders stay closed, nothing is copied, and nothing is left behind when
the host dies.
"""

import asyncio
import contextlib
import ctypes
import os
import platform
import queue
import stat
import struct
import subprocess
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from adapters.runner.syscalls import NUMBERS
from host.errors import AdapterError

__all__ = ["Around", "Spawner"]

Around = AbstractContextManager[None]
"""Something to be in while a process is started."""

_CLONE_NEWNS = 0x20000
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_SLAVE = 2, 4, 4096, 16384, 1 << 19
_FOLDER = "/sys"  # covered in that namespace alone; a folder that is everywhere and that no sandbox is shown


class Spawner:
    """Starts processes from a thread of its own.

    Attributes:
        namespace: whether that thread has its own mount namespace, so that sources can be anywhere.
        trouble: why it has none, where one was asked for.
    """

    def __init__(self) -> None:
        self.namespace = False
        self.trouble = ""
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="sandbox-spawner", daemon=True)
        self._sources: dict[Path, str] = {}

    async def start(self, *, own_namespace: bool) -> None:
        """Start the thread; give it a mount namespace if asked and possible."""
        self._thread.start()
        if own_namespace:
            try:
                await self._run(self._enter_namespace)
            except OSError as error:
                self.trouble = str(error)

    async def spawn(
        self,
        arguments: Callable[[dict[Path, str]], Sequence[str]],
        trees: Iterable[Path],
        around: Around,
        uid: int | None,
        **options: Any,
    ) -> Any:
        """Start a process.

        Args:
            arguments: makes the argument list from where each of ``trees`` can be reached.
            trees: host paths that the process will need.
            around: entered, in the thread, while the process is started.
            uid: the user and group that the process starts as; None for this host's own.
            options: for ``subprocess.Popen``.

        Raises:
            AdapterError: it could not be started.
        """

        def job() -> subprocess.Popen[bytes]:
            sources = {tree: self._source(tree) for tree in trees}
            command = list(arguments(sources))
            with around, _SomebodyElse(uid) if uid is not None else contextlib.nullcontext():
                return subprocess.Popen(command, **options)

        try:
            return await self._run(job)
        except OSError as error:
            raise AdapterError(
                f"the wall could not be started: {error}", retryable=True, may_have_started=False
            ) from error

    def close(self) -> None:
        """Let the thread end, and with it its namespace. Every process that it started dies then."""
        self._jobs.put(None)

    async def _run(self, job: Callable[[], Any]) -> Any:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()

        def settle(result: Any, error: BaseException | None) -> None:
            if future.cancelled():
                if isinstance(result, subprocess.Popen):  # nobody waits for it any more
                    result.kill()
                    result.wait()
            elif error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)

        def work() -> None:
            try:
                loop.call_soon_threadsafe(settle, job(), None)
            except Exception as error:  # noqa: BLE001 - handed to whoever waits
                loop.call_soon_threadsafe(settle, None, error)

        self._jobs.put(work)
        return await future

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def _enter_namespace(self) -> None:
        _libc("unshare", _CLONE_NEWNS)
        _libc("mount", None, b"/", None, _MS_REC | _MS_SLAVE, None)
        _libc("mount", b"tmpfs", _FOLDER.encode(), b"tmpfs", _MS_NOSUID | _MS_NODEV, b"mode=755,size=1m")
        self.namespace = True

    def _source(self, tree: Path) -> str:
        """Where ``tree`` can be reached by the user of the sandbox."""
        if not self.namespace:
            return str(tree)
        if tree not in self._sources:
            self._sources[tree] = self._show(tree, f"{_FOLDER}/{len(self._sources)}")
        return self._sources[tree]

    def _show(self, tree: Path, place: str) -> str:
        descriptor = os.open(tree, os.O_PATH | os.O_CLOEXEC)
        try:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                os.mkdir(place, 0o755)  # noqa: PTH102
            else:
                os.close(os.open(place, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
            _libc("mount", f"/proc/self/fd/{descriptor}".encode(), place.encode(), None, _MS_BIND | _MS_REC, None)
        finally:
            os.close(descriptor)
        return place


class _SomebodyElse(AbstractContextManager[None]):
    """This thread, which is root, is an ordinary user meanwhile; what it executes is that user for good.

    Users belong to threads in Linux, and only the C library makes all threads of a process change together; so these
    are the bare system calls. The saved ids stay root's, by which the thread comes back; in a program that is executed
    meanwhile the kernel replaces them, and takes every capability. No fork and no further program is needed.
    """

    def __init__(self, uid: int) -> None:
        self._uid = uid
        self._groups = os.getgroups()

    def __enter__(self) -> None:
        _system_call("setgroups", 0, None)
        _system_call("setresgid", self._uid, self._uid, 0)
        _system_call("setresuid", self._uid, self._uid, 0)

    def __exit__(self, *error: object) -> None:
        _system_call("setresuid", 0, 0, 0)
        _system_call("setresgid", 0, 0, 0)
        listed = struct.pack(f"={len(self._groups)}I", *self._groups)
        _system_call("setgroups", len(self._groups), listed or None)


def _system_call(name: str, *arguments: bytes | int | None) -> None:
    _libc("syscall", NUMBERS[platform.machine()][name], *arguments)


def _libc(name: str, *arguments: bytes | int | None) -> None:
    """Call a function of the C library.

    Raises:
        OSError: it failed.
    """
    library = ctypes.CDLL(None, use_errno=True)
    converted = [ctypes.c_ulong(item) if isinstance(item, int) else item for item in arguments]
    if getattr(library, name)(*converted) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
