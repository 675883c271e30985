"""Programs and sessions in their MicroVMs: from a request to its result, with nothing left when it is out."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from adapters.aws.prices import Prices
from adapters.lambda_microvm.facts import Facts
from adapters.lambda_microvm.fleet import Fleet
from adapters.lambda_microvm.machine import Machine
from adapters.lambda_microvm.recipes import NoForm, Recipes
from adapters.lambda_microvm.run import need_s, whole
from adapters.lambda_microvm.sessions import LiveSession
from adapters.lambda_microvm.settings import NAME, MicrovmSettings
from adapters.lambda_microvm.warm import Warm
from adapters.runner.answer import Answer
from adapters.runner.results import as_result, judged
from adapters.runner.slots import Slots
from host.errors import AdapterError
from host.interface import Emit
from host.models import ExecutionRequest, ExecutionResult, Priced, Status
from host.policy import Policy

__all__ = ["Engine"]

_T = TypeVar("_T")
_VCPU_PER_GB = 0.5


class Engine:
    """What runs in MicroVMs.

    Args:
        settings: how.
        recipes: the languages.
        fleet: who starts and ends them.
        warm: those that are kept ready.
        prices: what they cost.
        region: where they are, once that is known.

    Attributes:
        slots: the turns of programs.
        facts: what the last MicroVM said that it is; None before the first.
    """

    def __init__(
        self, settings: MicrovmSettings, recipes: Recipes, fleet: Fleet, warm: Warm, prices: Prices, region: Any
    ) -> None:
        self.slots = Slots(settings.max_running, settings.max_waiting)
        self.facts: Facts | None = None
        self._settings = settings
        self._recipes = recipes
        self._fleet = fleet
        self._warm = warm
        self._prices = prices
        self._region = region
        self._work: set[asyncio.Task[Any]] = set()
        self._closing = False

    async def run(self, request: ExecutionRequest, policy: Policy, emit: Emit) -> ExecutionResult:
        """Run a program in a MicroVM that no other program has run in, and none will.

        Raises:
            AdapterError: the wall failed, not the program.
        """
        async with self.slots:
            return await self._tended(self._program(request, policy, emit))

    async def open(self, language: str, policy: Policy) -> LiveSession:
        """Start an interpreter in a MicroVM of its own.

        Raises:
            AdapterError: it does not start; nothing of it is left.
        """
        return await self._tended(self._opened(language, policy))

    async def command(
        self, live: LiveSession, request: ExecutionRequest, policy: Policy, emit: Emit
    ) -> ExecutionResult:
        """Run one command of a session.

        Raises:
            SessionLost: the interpreter was gone before; nothing was run.
            AdapterError: the wall failed, not the program.
        """
        try:
            body = await self._recipes.command(request, policy, live.machine.facts)
        except NoForm as error:
            return as_result(request, policy, Status.FAILED, str(error))
        ended = await live.run(body, policy, emit)
        paid_s, live.paid_s = live.paid_s, live.machine.age_s
        return judged(request, policy, ended, self._priced(live.machine, live.paid_s - paid_s))

    async def aclose(self) -> None:
        """End every program, and every MicroVM."""
        self._closing = True
        for task in self._work:
            task.cancel()
        if self._work:
            await asyncio.wait(self._work)
        await self._warm.aclose()
        await self._fleet.aclose()

    async def _tended(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do it so that closing ends it, and whoever is cancelled waits until nothing of it is left."""
        task = asyncio.ensure_future(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if self._closing and task.cancelled():
                raise AdapterError(f"{NAME} was closed while it ran.", may_have_started=True) from None
            while not task.done():
                task.cancel()
                try:
                    await asyncio.wait({task})
                except asyncio.CancelledError:
                    continue
            raise

    async def _program(self, request: ExecutionRequest, policy: Policy, emit: Emit) -> ExecutionResult:
        needed_s = need_s(policy)
        machine = await self._warm.take(needed_s)
        if machine is None:
            machine = await self._fleet.fresh(self._settings.start_timeout_s + needed_s)
        self.facts = machine.facts
        try:
            _must_be_free(machine)
            parcel = await self._recipes.program(request, policy, machine.facts)
            answer = Answer(policy, emit, is_text=parcel.is_text)
            ended = await whole(machine, "/run", parcel.body, policy, answer)
        except NoForm as error:
            self._fleet.let_go(machine)
            return as_result(request, policy, Status.FAILED, str(error))
        except BaseException:
            await self._fleet.end(machine)
            raise
        self._fleet.let_go(machine)
        return judged(request, policy, ended, self._priced(machine, machine.age_s))

    async def _opened(self, language: str, policy: Policy) -> LiveSession:
        idle_s = max(self._settings.idle_s, need_s(policy))
        machine = await self._fleet.fresh(self._settings.session_s, idle_s)
        self.facts = machine.facts
        try:
            parcel = await self._recipes.session(language, policy, machine.facts)
            live = LiveSession(self._fleet, machine, idle_s, is_text=parcel.is_text)
            await live.begin(parcel.body, policy)
        except BaseException:
            await self._fleet.end(machine)
            raise
        return live

    def _priced(self, machine: Machine, seconds: float) -> Priced:
        """What the MicroVM's time costs: what it has at least, for as long as it was there."""
        gb = machine.facts.memory_mb / 1024
        quantities = {"vcpu_seconds": gb * _VCPU_PER_GB * seconds, "gb_seconds": gb * seconds}
        product = "microvm-arm64" if machine.facts.place.machine == "aarch64" else "microvm-x86_64"
        return self._prices.priced(product, self._region(), quantities)


def _must_be_free(machine: Machine) -> None:
    if machine.facts.taken:
        raise AdapterError(
            f"MicroVM {machine.id} has had a tenant, and not from us.", retryable=True, may_have_started=False
        )
