"""The local wall: bubblewrap, seccomp, control groups, rlimits and a deadline held by the host, for every language
found here.
"""

import asyncio
import subprocess
from collections.abc import Sequence
from pathlib import Path

from adapters.guest.contract import Guest, Missing, Runtime
from adapters.guest.found import find
from adapters.runner.live import LiveSessions
from adapters.runner.refusals import refuse
from adapters.runner.results import as_result, judged
from adapters.sandbox import checks
from adapters.sandbox.cgroups import owner_tag
from adapters.sandbox.engine import Engine
from adapters.sandbox.machine import Machine, survey
from adapters.sandbox.recipes import NoForm
from adapters.sandbox.sessions import LiveSession
from adapters.sandbox.settings import SandboxSettings
from adapters.sandbox.spawner import Spawner
from adapters.sandbox.staging import remove_unfinished
from host.errors import AdapterError
from host.interface import AdapterContext, Capabilities, CheckResult, Emit, Kept, Refusal, discard
from host.models import ExecutionRequest, ExecutionResult, Status
from host.policy import ENFORCED_FIELDS, Enforcement, Policy

__all__ = ["SandboxAdapter"]

_USUAL = ("", "import decimal")
"""One that imports nothing and one that does: a guest may have more loaded for the second."""


class SandboxAdapter:
    """Runs programs on this machine, each in a sandbox of its own that lives as long as the program.

    Its settings are ``SandboxSettings``.

    Args:
        guests: the languages; by default those of the catalogue.
    """

    name = "sandbox"

    def __init__(self, guests: Sequence[Guest] | None = None) -> None:
        self._given = guests
        self._guests: dict[str, Guest] = {}
        self._runtimes: dict[str, Runtime] = {}
        self._missing: dict[str, Missing] = {}
        self._machine: Machine | None = None
        self._settings = SandboxSettings()
        self._spawner = Spawner()
        self._engine: Engine | None = None
        self._sessions: LiveSessions[LiveSession] = LiveSessions()
        self._keeping: asyncio.Future[None] | None = None
        self._capabilities = Capabilities(version="", languages=(), enforcement={})
        self._proved: dict[str, CheckResult] = {}

    def capabilities(self) -> Capabilities:
        """The languages whose runtime was found, and what is held from where."""
        return self._capabilities

    async def start(self, context: AdapterContext) -> None:
        """Look for what this machine has, and start the thread that starts sandboxes.

        Raises:
            AdapterError: there is no wall on this machine at all; ``check`` says the same.
        """
        self._settings = SandboxSettings.read(context.settings)
        self._folder = context.state_dir / self.name
        if self._given is None:
            from adapters.guest.catalogue import guests

            self._given = guests(context.state_dir)
        self._machine = await asyncio.to_thread(survey, self._settings, context.owner, self._folder)
        wanted = None if context.languages is None else {*context.languages, "python"}  # the launcher is Python
        sought = [guest for guest in self._given if wanted is None or guest.language in wanted]
        found = await asyncio.gather(*(asyncio.to_thread(_find, guest, self._folder) for guest in sought))
        for guest, runtime in zip(sought, found, strict=True):
            self._guests[guest.language] = guest
            if isinstance(runtime, Missing):
                self._missing[guest.language] = runtime
            else:
                self._runtimes[guest.language] = runtime
        await self._spawner.start(own_namespace=self._machine.is_root)
        if self._machine.bubblewrap is not None:
            self._engine = Engine(
                self._machine.bubblewrap,
                self._machine,
                self._settings,
                self._spawner,
                self._guests,
                self._runtimes,
                self._folder,
                owner_tag(context.owner),
                keeps_warm=self._settings.warm and context.languages is None,
            )
            self._keep_ready(context.policy)
        self._capabilities = self._truthfully(self._machine)

    def _keep_ready(self, policy: Policy | None) -> None:
        """From the start, and always, for what most requests will be: Python under the default policy."""
        requests = [ExecutionRequest(code=code, language="python") for code in _USUAL]
        usual = policy is not None and "python" in self._runtimes and refuse(requests[0], policy, self.name) is None
        if self._engine is not None and self._engine.keeps_warm and policy is not None and usual:
            keeping = self._engine.keep_ready(requests, policy, self._settings.min_ready)
            self._keeping = asyncio.ensure_future(keeping)

    async def check(self) -> CheckResult:
        """Look at every layer and run programs: at first one for each language, later one in Python."""
        if self._machine is None:
            return CheckResult(ok=False, reason="the sandbox has not been started")
        warmth = self._engine.warmth if self._engine is not None and self._engine.keeps_warm else None
        return await checks.check(
            self._try_out, self._machine, self._runtimes, self._missing, self._spawner.trouble, self._proved, warmth
        )

    def accepts(self, request: ExecutionRequest, policy: Policy) -> Refusal | None:
        """Decline what this wall cannot do."""
        if request.language not in self._runtimes:
            return self._without(request.language)
        if self._engine is not None and self._engine.slots.full and request.session is None:
            return Refusal(
                rule="busy",
                reason=f"{self._engine.slots.waiting} programs wait for their turn, and no more are let in",
                remedy="Send the request again in a moment, or raise adapters.sandbox.max_waiting.",
            )
        return refuse(request, policy, self.name)

    async def execute(self, request: ExecutionRequest, policy: Policy, emit: Emit) -> ExecutionResult:
        """Run the request in a sandbox that no other program has run in, and none will."""
        return await self._executed(request, policy, emit, ahead=True)

    async def _try_out(self, request: ExecutionRequest, policy: Policy) -> ExecutionResult:
        """Run a program that nobody asked for, and of which no more will come."""
        return await self._executed(request, policy, discard, ahead=False)

    async def _executed(self, request: ExecutionRequest, policy: Policy, emit: Emit, *, ahead: bool) -> ExecutionResult:
        engine = self._engine_for(request.language)
        try:
            ended = await engine.run(request, policy, emit, ahead=ahead)
        except NoForm as error:
            return as_result(request, policy, Status.FAILED, str(error))
        if ended.trouble:
            raise AdapterError(f"the wall could not be set up: {ended.trouble}", may_have_started=False)
        if ended.exit_code is None and ended.signal is None and ended.cause is None and not ended.ran_out_of_memory:
            raise AdapterError("the launcher was lost: it ended without saying how the program did", lost=True)
        return judged(request, policy, ended)

    async def open(self, session: str, language: str, policy: Policy) -> None:
        """Start an interpreter that lives until it is closed or a limit ends it."""
        self._sessions.add(session, await self._engine_for(language).open(language, policy))

    async def run(self, session: str, request: ExecutionRequest, policy: Policy, emit: Emit) -> ExecutionResult:
        """Run one command in a session. A limit that ends the command ends the session."""
        live, engine = self._sessions.get(session), self._engine_for(request.language)
        try:
            frame = engine.recipes.frame(request, policy)
        except NoForm as error:
            return as_result(request, policy, Status.FAILED, str(error))
        async with engine.slots:
            command = asyncio.ensure_future(live.run(frame, policy, emit))
            ended = await engine.uncancelled(command, live.stop)
        return judged(request, policy, ended)

    def alive(self, session: str) -> bool:
        """Whether the session takes commands."""
        return self._sessions.alive(session)

    async def close(self, session: str) -> None:
        """End a session."""
        await self._sessions.close(session)

    async def reap(self, dead_owners: Sequence[str]) -> int:
        """Remove what dead hosts left: control groups, half-made folders, processes that never came up."""
        if self._machine is None:
            return 0
        return await asyncio.to_thread(self._machine.reap, dead_owners) + remove_unfinished(self._folder)

    def kept(self) -> Kept:
        """What is kept warm."""
        return self._engine.warmth.kept() if self._engine is not None else Kept()

    async def aclose(self) -> None:
        """Kill every run and wait until all is dead."""
        if self._keeping is not None:
            await asyncio.wait((self._keeping,))
        await self._sessions.aclose()
        if self._engine is not None:
            await self._engine.aclose()
        self._spawner.close()
        if self._machine is not None:
            self._machine.close()

    def _engine_for(self, language: str) -> Engine:
        """The engine.

        Raises:
            AdapterError: it, or the language, is not on this machine.
        """
        if self._engine is None:
            raise AdapterError("bubblewrap is not installed", remedy=checks.INSTALL_BUBBLEWRAP, may_have_started=False)
        if language not in self._runtimes:
            missing = self._without(language)
            raise AdapterError(missing.reason, remedy=missing.remedy, may_have_started=False)
        return self._engine

    def _without(self, language: str) -> Refusal:
        missing = self._missing.get(language)
        if missing is None:
            return Refusal(rule="language", reason=f"the sandbox does not run {language}")
        return Refusal(rule="language", reason=f"{language} cannot run here: {missing.reason}", remedy=missing.remedy)

    def _truthfully(self, machine: Machine) -> Capabilities:
        levels = dict.fromkeys(ENFORCED_FIELDS, Enforcement.WALL)
        levels["allowed_imports"] = Enforcement.ADVICE
        if not machine.counts_from_outside:
            levels.update(dict.fromkeys(("max_memory_mb", "max_cpu_time", "max_processes"), Enforcement.GUEST))
        version = machine.bubblewrap.version if machine.bubblewrap else "none"
        return Capabilities(
            version=f"bubblewrap {version}",
            languages=tuple(sorted(self._runtimes)) if machine.bubblewrap and "python" in self._runtimes else (),
            enforcement=levels,
            files=True,
            streaming=True,
            session_languages=self._engine.recipes.session_languages if self._engine else (),
        )


def _find(guest: Guest, folder: Path) -> Runtime | Missing:
    """Look for one runtime. One that cannot even be looked for is missing, and the others still serve."""
    try:
        return find(guest, folder)
    except (OSError, subprocess.SubprocessError) as error:
        return Missing(f"{guest.language} cannot be looked for: {error}", "see the reason")
