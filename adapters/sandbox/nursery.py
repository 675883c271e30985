"""A nursery: one bubblewrap with a keeper in it, from which sandboxes come that are ready before anybody needs them."""

import array
import asyncio
import contextlib
import errno
import itertools
import marshal
import os
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol

from adapters.runner import seccomp
from adapters.runner.limits import environment_of
from adapters.sandbox.cgroups import children
from adapters.sandbox.plan import Mould, as_message
from adapters.sandbox.spare import HEAD_BYTES, Figures, Spare, settle
from adapters.sandbox.wall import Walled
from host.errors import AdapterError
from host.events import get_logger

__all__ = ["Nursery", "SpawnKeeper"]

_log = get_logger("understudy.sandbox")

_MESSAGE_BYTES = 8192
_ANCILLARY_BYTES = 64
_HOLDERS_AHEAD = 4  # as inside/holders.py has it
_NOT_NEEDED = "it is not needed any more"


class SpawnKeeper(Protocol):
    """Starts the process of a nursery."""

    def __call__(self, walled: Walled, *, proc: int) -> Awaitable[None]: ...


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
        letter, number = message[:1], message[1:HEAD_BYTES]
        spare = self._spares.get(number)
        if letter == b"R":
            self._ready.set_result(None)
        elif spare is None:
            if letter == b"X":
                self._gone(message[HEAD_BYTES:].decode("utf-8", "replace"))
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
            spare.trouble = message[HEAD_BYTES:].decode("utf-8", "replace")
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
