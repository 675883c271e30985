"""What runs programs here: takes a sandbox that is ready, or starts one, and sees the run through to its end."""

import asyncio
import functools
import itertools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from adapters.guest.contract import Guest, Runtime
from adapters.runner.ended import Cause, Ended
from adapters.runner.slots import Slots, usual_slots
from adapters.sandbox.accounts import Accounts
from adapters.sandbox.bubblewrap import Bubblewrap
from adapters.sandbox.channels import Taps
from adapters.sandbox.machine import Machine
from adapters.sandbox.plan import Job, make_job
from adapters.sandbox.pools import PoolBounds
from adapters.sandbox.recipes import Recipe, Recipes
from adapters.sandbox.run import Run
from adapters.sandbox.sessions import LiveSession
from adapters.sandbox.settings import SandboxSettings
from adapters.sandbox.spawner import Spawner
from adapters.sandbox.wall import UserIds, Wall
from adapters.sandbox.warm import Warmth
from adapters.sandbox.warm_run import WarmRun
from host.errors import AdapterError
from host.events import get_logger
from host.interface import Emit
from host.models import ExecutionRequest
from host.policy import Policy

__all__ = ["Engine"]

_MIB = 1 << 20
_TRIES = 3
"""How many sandboxes that turn out not to work may be thrown away for one run, before it gets one of its own."""

_BREATH_S = 0.001
"""How long after a run the next sandbox is made: whoever waits for the run gets it first, and often nobody else wants
the processor then.
"""

_log = get_logger("understudy.sandbox")


class Engine:
    """Runs programs behind bubblewrap.

    Args:
        bubblewrap: the program.
        machine: what else was found.
        settings: the adapter's.
        spawner: the thread that starts processes; started.
        guests: the languages.
        runtimes: those that were found.
        folder: where files for inside are prepared.
        label: of this host's processes.
        keeps_warm: whether sandboxes are kept ready.

    Attributes:
        slots: who runs and who waits.
        warmth: what is kept ready.
        recipes: how each language runs under each policy.
        keeps_warm: see above.
    """

    def __init__(
        self,
        bubblewrap: Bubblewrap,
        machine: Machine,
        settings: SandboxSettings,
        spawner: Spawner,
        guests: Mapping[str, Guest],
        runtimes: Mapping[str, Runtime],
        folder: Path,
        label: str,
        *,
        keeps_warm: bool,
    ) -> None:
        self._machine = machine
        self._label = label
        self._start_timeout_s = settings.start_timeout_ms / 1000
        self._wall = Wall(bubblewrap, spawner)
        self._uids = UserIds(settings.uid_first, settings.uid_count) if machine.is_root else None
        self._runs: dict[asyncio.Future[Ended], Run | WarmRun] = {}
        self._numbers = itertools.count(1)
        self.keeps_warm = keeps_warm
        self.taps = Taps()
        self.slots = Slots(settings.max_running or usual_slots(), settings.max_waiting)
        self.recipes = Recipes(guests, runtimes, folder)
        bounds = PoolBounds(0, settings.max_ready, settings.idle_memory_mb * _MIB)
        accounts = Accounts(machine.cgroups)
        self.warmth = Warmth(self._wall, self._uids, accounts, bounds, label, self._start_timeout_s)

    async def run(self, request: ExecutionRequest, policy: Policy, emit: Emit, *, ahead: bool = True) -> Ended:
        """Run one program.

        Args:
            request: the program.
            policy: what it may do.
            emit: is told of its output and displays as they come.
            ahead: whether more like it are to be expected, so that sandboxes are kept ready for them.

        Raises:
            NoForm: the inputs have no form in its language.
            AdapterError: the wall failed.
        """
        recipe, launch = await self.recipes.of(request, policy)
        job = make_job(request, policy, recipe.mould, launch)
        async with self.slots:
            if not self.keeps_warm:
                return await self._cold(recipe, job, emit)
            if recipe.mould.late or not ahead:
                return await self._on_the_spot(recipe, job, emit, ahead=ahead)
            return await self._warm(recipe, job, emit)

    async def open(self, language: str, policy: Policy) -> LiveSession:
        """Start an interpreter that takes commands.

        Raises:
            AdapterError: it cannot be started.
        """
        recipe = await self.recipes.of_session(language, policy)
        spare, account = await self.warmth.one(recipe.scene, recipe.mould)
        try:
            await spare.ready()
            await account.take_in(spare)
        except BaseException:
            spare.kill()
            await spare.dead
            spare.close()
            account.close()
            raise
        return LiveSession(spare, account, recipe.mould, self.taps, policy)

    async def keep_ready(self, requests: Iterable[ExecutionRequest], policy: Policy, floor: int) -> None:
        """Always keep some sandboxes ready for what is like any of these requests."""
        for request in requests:
            recipe, _ = await self.recipes.of(request, policy)
            self.warmth.pool(recipe.scene, recipe.mould, floor)
            self.warmth.home(recipe.scene).want()

    async def aclose(self) -> None:
        """Kill every run and wait until all is dead."""
        for run in self._runs.values():
            run.stop(Cause.CANCELLED)
        if self._runs:
            await asyncio.wait(self._runs)
        await self.warmth.aclose()
        self.taps.close()

    async def _warm(self, recipe: Recipe, job: Job, emit: Emit) -> Ended:
        """Run it in a sandbox that is ready, or that is made on the spot; while there is no nursery, in a cold one."""
        pool = self.warmth.pool(recipe.scene, recipe.mould)
        if pool is None:
            return await self._on_the_spot(recipe, job, emit, ahead=True)
        for _ in range(_TRIES):
            try:
                ready = pool.take()
                if ready is None:
                    break
                return await self._through(WarmRun(job, emit, self.taps, *ready))
            except AdapterError as error:
                if error.may_have_started or not error.retryable:
                    raise
                _log.warning("sandbox_not_ready", reason=error.message)
            finally:
                asyncio.get_running_loop().call_later(_BREATH_S, pool.refill)
        return await self._cold(recipe, job, emit)

    async def _on_the_spot(self, recipe: Recipe, job: Job, emit: Emit, *, ahead: bool) -> Ended:
        """Run it in a sandbox that is forked for it: it has to see its files first, or none like it will follow."""
        home = self.warmth.home(recipe.scene)
        if home.nursery is None:
            if ahead:
                home.want()
            return await self._cold(recipe, job, emit)
        return await self._through(WarmRun(job, emit, self.taps, *await self.warmth.one(recipe.scene, recipe.mould)))

    async def _cold(self, recipe: Recipe, job: Job, emit: Emit) -> Ended:
        """Run it in a sandbox that starts for it."""
        uid = self._uids.take() if self._uids else None
        scene = recipe.scene
        spawn = functools.partial(
            self._wall.spawn, view=scene.view, interpreter=scene.interpreter, preload=scene.preload[:1], uid=uid
        )
        label = f"{self._label}-{next(self._numbers):x}."
        try:
            run = Run(job, emit, self.taps, spawn, self._machine.cgroups, self._start_timeout_s, label)
            return await self._through(run)
        except OSError as error:
            raise AdapterError(f"no run can be prepared: {error}", retryable=True, may_have_started=False) from error
        finally:
            if self._uids is not None and uid is not None:
                self._uids.give_back(uid)

    async def _through(self, run: Run | WarmRun) -> Ended:
        whole = asyncio.ensure_future(run.whole())
        self._runs[whole] = run
        try:
            return await self.uncancelled(whole, run.stop)
        finally:
            del self._runs[whole]

    @staticmethod
    async def uncancelled(whole: "asyncio.Future[Ended]", stop: Callable[[Cause], None]) -> Ended:
        """Wait for a run. Being cancelled stops it, and goes on only when all of it is dead."""
        try:
            return await asyncio.shield(whole)
        except asyncio.CancelledError as cancelled:
            stop(Cause.CANCELLED)
            while not whole.done():
                try:
                    await asyncio.wait([whole])
                except asyncio.CancelledError:
                    continue
            trouble = None if whole.cancelled() else whole.exception()
            raise cancelled from trouble
