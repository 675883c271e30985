"""Containers behind the Docker Engine API: one for each program, waiting before anybody asks, shut on every side."""

import asyncio
import contextlib
import weakref
from collections.abc import Sequence
from typing import Any

from adapters.container import checks
from adapters.container.box import Box
from adapters.container.engine import connect
from adapters.container.errors import ENGINE_ERRORS
from adapters.container.hardening import LABEL_ADAPTER, LABEL_OWNER, Recipe, config_of, make_recipe
from adapters.container.languages import Languages
from adapters.container.pool import Pool
from adapters.container.run import LiveSession, Run
from adapters.container.settings import ContainerSettings
from adapters.container.survey import Engine, survey
from adapters.guest.contract import Launch
from adapters.runner.ended import Cause
from adapters.runner.job import CONTAINED, make_second_part
from adapters.runner.live import LiveSessions
from adapters.runner.refusals import refuse
from adapters.runner.results import as_result, judged
from adapters.runner.slots import Slots
from host.errors import AdapterError
from host.events import get_logger
from host.interface import AdapterContext, Capabilities, CheckResult, Emit, Kept, Refusal, discard
from host.models import ExecutionRequest, ExecutionResult, Status
from host.policy import ENFORCED_FIELDS, Enforcement, Policy

__all__ = ["ContainerAdapter"]

_log = get_logger("understudy.container")
_USUAL = ("", "import decimal")
"""One that imports nothing and one that does: a guest may have more loaded for the second."""

_BY_RUNNER = {
    "max_cpu_time": Enforcement.GUEST,  # the engine bounds processors, not what is spent on them
    "file_system_access": Enforcement.GUEST,  # a folder that may only be read is closed by the runner
    "allowed_imports": Enforcement.ADVICE,
}


_MOST_RECIPES = 256
_USUAL_FOLDERS = ("/run/docker", "/var/run/docker", "/run/containers", "/run/containerd")
"""Where engines mount what containers need to start."""

_BY_GROUPS = {"max_memory_mb": "memory", "max_processes": "pids"}
"""What the engine holds by control groups; one that cannot holds it not at all."""


class ContainerAdapter:
    """Runs programs in containers of a Docker engine, or of one that speaks its language (Podman).

    The settings, table ``[adapters.container]``, are those of ``ContainerSettings``.
    """

    name = "container"

    def __init__(self) -> None:
        self._settings = ContainerSettings()
        self._docker: Any = None
        self._languages = Languages()
        self._pool: Pool | None = None
        self._slots = Slots(1, 0)
        self._sessions: LiveSessions[LiveSession] = LiveSessions()
        self._recipes: dict[tuple[object, ...], Recipe] = {}
        self._runs: set[Run] = set()
        self._boxes: weakref.WeakSet[Box] = weakref.WeakSet()
        self._tidying: asyncio.Task[None] | None = None
        self._capabilities = Capabilities(version="none", languages=(), enforcement={})
        self._proof = checks.Proof()
        self._owner = ""
        self._engine: Engine

    def capabilities(self) -> Capabilities:
        """The languages that there are images for, and what is held from where."""
        return self._capabilities

    async def start(self, context: AdapterContext) -> None:
        """Find the engine and the images, and have the first containers wait.

        Raises:
            AdapterError: there is no engine, or none that we may use.
        """
        self._settings = ContainerSettings.read(context.settings)
        self._owner = context.owner
        self._slots = Slots(self._settings.max_running, self._settings.max_waiting)
        self._docker = connect(self._settings)
        try:
            self._engine = await survey(self._docker)
            await self._languages.find(self._docker, context)
        except AdapterError:
            await self._docker.close()
            raise
        self._pool = Pool(
            self._new_box,
            self._settings.start_timeout_ms / 1000,
            self._settings.max_ready,
            self._settings.idle_ms / 1000,
        )
        self._capabilities = self._truthfully()
        self._keep_ready(context)
        self._tidying = asyncio.create_task(self._tidy(), name="understudy-container-tidy")

    def _keep_ready(self, context: AdapterContext) -> None:
        """From the start, and always, for what most requests will be: Python under the default policy."""
        if context.policy is None or context.languages is not None or not self._settings.min_ready:
            return
        for code in _USUAL:
            request = ExecutionRequest(code=code, language="python")
            if "python" in self._capabilities.languages and refuse(request, context.policy, self.name) is None:
                launch = self._languages.launch(request, context.policy)
                self._the_pool.keep(self._recipe(request.language, context.policy, launch), self._settings.min_ready)

    async def check(self) -> CheckResult:
        """Ask the engine, look for the images, and run programs that look at the wall from inside."""
        if self._docker is None:
            return CheckResult(ok=False, reason="the container adapter has not been started")
        return await checks.check(self._docker, self._settings, self._languages, self._proof, self._try_out)

    def accepts(self, request: ExecutionRequest, policy: Policy) -> Refusal | None:
        """Decline what containers cannot do."""
        missing = self._languages.refusal(request.language, policy)
        if missing is not None:
            return missing
        if self._slots.full and request.session is None:
            return Refusal(
                rule="busy",
                reason=f"{self._slots.waiting} programs wait for their turn, and no more are let in",
                remedy="Send the request again in a moment, or raise adapters.container.max_waiting.",
            )
        return refuse(request, policy, self.name)

    async def execute(self, request: ExecutionRequest, policy: Policy, emit: Emit) -> ExecutionResult:
        """Run the request in a container that no other program has run in, and none will."""
        try:
            launch = self._languages.launch(request, policy)
        except ValueError as error:
            return as_result(request, policy, Status.FAILED, str(error))
        async with self._slots:
            recipe, box = await self._taken(request.language, policy, launch)
            run = Run(box, policy, emit, is_text=launch.report_is_text)
            self._runs.add(run)
            try:
                ended = await run.whole(make_second_part(request, policy, launch, CONTAINED))
            finally:
                self._runs.discard(run)
                self._the_pool.used(recipe)
        return judged(request, policy, ended)

    async def _taken(self, language: str, policy: Policy, launch: Launch) -> tuple[Recipe, Box]:
        """A container for a program, of the new image where that was built anew meanwhile: nothing has run."""
        recipe = self._recipe(language, policy, launch)
        try:
            return recipe, await self._the_pool.take(recipe)
        except AdapterError as error:
            await self._languages.look_again(self._docker)
            again = self._recipe(language, policy, launch)
            if again == recipe:
                raise error from error.__cause__
            return again, await self._the_pool.take(again)

    async def _try_out(self, request: ExecutionRequest, policy: Policy) -> ExecutionResult:
        return await self.execute(request, policy, discard)

    async def open(self, session: str, language: str, policy: Policy) -> None:
        """Start an interpreter in a container of its own."""
        launch = self._languages.launch_session(language, policy)
        box = self._new_box(self._recipe(language, policy, launch, session=True))
        await box.begin(self._settings.start_timeout_ms / 1000)
        self._sessions.add(session, LiveSession(box, is_text=launch.report_is_text))

    async def run(self, session: str, request: ExecutionRequest, policy: Policy, emit: Emit) -> ExecutionResult:
        """Run one command in a session. A limit that ends the command may end the session."""
        live = self._sessions.get(session)
        try:
            frame = self._languages.frame(request, policy)
        except ValueError as error:
            return as_result(request, policy, Status.FAILED, str(error))
        async with self._slots:
            ended = await live.run(frame, policy, emit)
        return judged(request, policy, ended)

    def alive(self, session: str) -> bool:
        """Whether the session takes commands."""
        return self._sessions.alive(session)

    async def close(self, session: str) -> None:
        """End a session."""
        await self._sessions.close(session)

    async def reap(self, dead_owners: Sequence[str]) -> int:
        """Remove the containers of hosts that are gone.

        They end by themselves when their host does; this is for engines that were down at that moment.
        """
        if self._docker is None:
            return 0
        removed = 0
        for owner in dead_owners:
            with contextlib.suppress(*ENGINE_ERRORS):
                removed += await self._remove_of(owner)
        return removed

    async def _remove_of(self, owner: str) -> int:
        wanted = {"label": [f"{LABEL_ADAPTER}=container", f"{LABEL_OWNER}={owner}"]}
        found = await self._docker.containers.list(all=True, filters=wanted)
        for container in found:
            with contextlib.suppress(*ENGINE_ERRORS):
                await container.delete(force=True)
        return len(found)

    def kept(self) -> Kept:
        """What waits, or is on its way there: a connection for each container; and the engine's own folders."""
        idle = [box for box in list(self._boxes) if not box.in_use]
        held = sum(box.descriptors for box in idle)
        where = {self._engine.root, *_USUAL_FOLDERS} if self._docker is not None else set()
        return Kept(descriptors=held, changing=any(box.calling for box in idle), elsewhere=frozenset(where - {""}))

    async def aclose(self) -> None:
        """End every run and every session, and give all containers back."""
        if self._tidying is not None:
            self._tidying.cancel()
            await asyncio.gather(self._tidying, return_exceptions=True)
        for run in self._runs:
            run.stop(Cause.CANCELLED)
        await self._sessions.aclose()
        if self._pool is not None:
            await self._pool.aclose()
        if self._docker is not None:
            await self._docker.close()

    @property
    def _the_pool(self) -> Pool:
        if self._pool is None:
            raise AdapterError("the container adapter has not been started", may_have_started=False)
        return self._pool

    def _recipe(self, language: str, policy: Policy, launch: Launch, *, session: bool = False) -> Recipe:
        image = self._languages.image(language, policy)
        key = (language, policy.sha256, launch.argv, launch.preload, image, session)
        recipe = self._recipes.get(key)
        if recipe is None:
            if len(self._recipes) >= _MOST_RECIPES:  # a caller may tighten a policy in endless ways
                self._recipes.clear()
            recipe = self._recipes[key] = make_recipe(policy, launch, image, self._settings, session=session)
        return recipe

    def _new_box(self, recipe: Recipe) -> Box:
        config = config_of(recipe, self._owner, self._settings)
        box = Box(self._docker, config, recipe.job, self._settings.engine_timeout_ms / 1000)
        self._boxes.add(box)
        return box

    def _truthfully(self) -> Capabilities:
        engine = self._engine
        lacking = {field: Enforcement.NONE for field, limit in _BY_GROUPS.items() if not engine.limits.get(limit, True)}
        levels = {**dict.fromkeys(ENFORCED_FIELDS, Enforcement.WALL), **_BY_RUNNER, **lacking}
        runtime = self._settings.runtime or engine.default_runtime
        return Capabilities(
            version=f"{engine.name} {engine.version}, {runtime}",
            languages=self._languages.ready,
            enforcement=levels,
            files=True,
            streaming=True,
            session_languages=self._languages.with_sessions,
        )

    async def _tidy(self) -> None:
        """Now and then, give back what nobody wants, and remove containers of ours that nobody here knows of."""
        while True:
            await asyncio.sleep(self._settings.reap_every_ms / 1000)
            try:
                await self._the_pool.shrink()
                await self._remove_unknown()
            except ENGINE_ERRORS + (AdapterError,) as error:  # noqa: RUF005 - mypy does not see through the star
                _log.warning("container_tidy_failed", reason=str(error) or type(error).__name__)

    async def _remove_unknown(self) -> None:
        """An engine that was started anew, or one that did not answer, may have some that we have given up on."""
        wanted = {"label": [f"{LABEL_ADAPTER}=container", f"{LABEL_OWNER}={self._owner}"]}
        found = await self._docker.containers.list(all=True, filters=wanted)
        known = {f"/{box.name}" for box in self._boxes if not box.over}
        for container in found:
            if known.isdisjoint(container["Names"]):
                with contextlib.suppress(*ENGINE_ERRORS):  # it is being removed already
                    await container.delete(force=True)
