"""MicroVMs that are ready before anybody asks: as many as the operator pays for, each used once."""

import asyncio
from contextlib import suppress

from adapters.lambda_microvm.door import NotYet
from adapters.lambda_microvm.fleet import Fleet
from adapters.lambda_microvm.machine import Machine
from adapters.lambda_microvm.settings import MicrovmSettings
from host.errors import AdapterError
from host.events import get_logger

__all__ = ["Warm"]

_log = get_logger("understudy.lambda_microvm")
_ROOM_S = 60.0
_LEAST_LEFT_S = 75.0
"""One that has less than this left is replaced."""
_FIRST_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 300.0


class Warm:
    """The MicroVMs that wait.

    Args:
        fleet: who starts them.
        settings: how many, and for how long one may wait.
    """

    def __init__(self, fleet: Fleet, settings: MicrovmSettings) -> None:
        self._fleet = fleet
        self._count = settings.warm
        self._lifetime_s = settings.warm_s + _ROOM_S
        self._ready: list[Machine] = []
        self._wanted = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._starting: set[asyncio.Task[None]] = set()
        self._pause_s = _FIRST_PAUSE_S
        self._pause_until = 0.0

    @property
    def count(self) -> int:
        """How many are ready."""
        return len(self._ready)

    def begin(self) -> None:
        """Keep them from now on."""
        if self._count:
            self._keeping = asyncio.create_task(self._keep(), name="understudy-microvm-warm")

    async def take(self, need_s: float) -> Machine | None:
        """One that will live so long and answers now; None where there is none."""
        while self._ready:
            fitting = [machine for machine in self._ready if machine.left_s >= need_s]
            if not fitting:
                return None
            machine = max(fitting, key=lambda each: each.left_s)
            self._ready.remove(machine)
            self._wanted.set()
            try:
                await machine.look()
            except (NotYet, AdapterError) as error:
                _log.warning("microvm_warm_lost", microvm=machine.id, reason=str(error))
                self._fleet.let_go(machine)
                continue
            except BaseException:
                self._fleet.let_go(machine)
                raise
            return machine
        return None

    async def aclose(self) -> None:
        """End those that wait, and start no more."""
        tasks = [*self._starting, *([self._keeping] if self._keeping is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for machine in self._ready:
            self._fleet.let_go(machine)
        self._ready.clear()

    async def _keep(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            self._wanted.clear()
            for machine in [each for each in self._ready if each.left_s < _LEAST_LEFT_S]:
                self._ready.remove(machine)
                self._fleet.let_go(machine)
            if clock() >= self._pause_until:
                for _ in range(self._count - len(self._ready) - len(self._starting)):
                    task = asyncio.create_task(self._start_one())
                    self._starting.add(task)
                    task.add_done_callback(self._started)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._next_look_s(clock())):
                    await self._wanted.wait()

    def _next_look_s(self, now: float) -> float:
        waits = [machine.left_s - _LEAST_LEFT_S for machine in self._ready]
        if self._pause_until > now:
            waits.append(self._pause_until - now)
        return max(0.05, min(waits, default=_LONGEST_PAUSE_S))

    async def _start_one(self) -> None:
        try:
            machine = await self._fleet.fresh(self._lifetime_s)
        except AdapterError as error:
            _log.warning("microvm_warm_not_started", reason=error.message, again_in_s=self._pause_s)
            self._pause_until = asyncio.get_running_loop().time() + self._pause_s
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        else:
            self._ready.append(machine)
            self._pause_s, self._pause_until = _FIRST_PAUSE_S, 0.0

    def _started(self, task: "asyncio.Task[None]") -> None:
        self._starting.discard(task)
        self._wanted.set()
