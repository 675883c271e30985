"""Programs in sessions of Amazon Bedrock AgentCore Code Interpreter: a microVM at AWS for each."""

import asyncio
import time
from collections.abc import Sequence

from adapters.aws.calls import Calls
from adapters.aws.errors import AwsError
from adapters.aws.kinds import Kind
from adapters.aws.prices import Prices
from adapters.bedrock.checks import Checks
from adapters.bedrock.found import Found, Memory
from adapters.bedrock.guests import Languages
from adapters.bedrock.levels import levels
from adapters.bedrock.live import LiveSession
from adapters.bedrock.money import LEAST_S, priced
from adapters.bedrock.names import Names
from adapters.bedrock.orders import FIRST, tightened
from adapters.bedrock.refusals import too_many, too_much
from adapters.bedrock.run import Run
from adapters.bedrock.sessions import STOP_S, FarSession, Sessions
from adapters.bedrock.settings import BedrockSettings
from adapters.bedrock.tools import Tools
from adapters.bedrock.warm import Warm
from adapters.guest.contract import Launch
from adapters.runner.live import LiveSessions
from adapters.runner.refusals import refuse
from adapters.runner.results import as_result, judged
from adapters.runner.slots import Slots
from host.errors import AdapterError
from host.events import get_logger
from host.interface import AdapterContext, Capabilities, CheckResult, Emit, Finding, Refusal, discard
from host.models import ExecutionRequest, ExecutionResult, Status
from host.policy import Policy

__all__ = ["BedrockAdapter"]

_log = get_logger("understudy.bedrock")
_ENDED_BEFORE = "AWS had ended the session before the program was sent; nothing has run."
_NOT_STARTED = "the adapter has not been started"
_MARGIN_S = 120.0
"""How much longer a session for one program may live than the program."""


class BedrockAdapter:
    """Runs each program in a session of its own at AWS, and live interpreters in others.

    The settings, table ``[adapters.bedrock]``, are those of ``BedrockSettings``.
    """

    name = "bedrock"

    def __init__(self) -> None:
        self._settings = BedrockSettings()
        self._calls: Calls | None = None
        self._languages: Languages | None = None
        self._live: LiveSessions[LiveSession] = LiveSessions()
        self._slots = Slots(1, 0)
        self._tidying: asyncio.Task[None] | None = None
        self._capabilities = Capabilities(version="unknown", languages=(), enforcement={})
        self._learned: Found | None = None
        self._wanted: frozenset[str] | None = None

    def capabilities(self) -> Capabilities:
        """The languages that were found in the interpreter, and what is held from where; none before that."""
        self._learn()
        return self._capabilities

    async def start(self, context: AdapterContext) -> None:
        """Find out what the interpreter has, where that is not known, and have the first sessions wait.

        Where AWS cannot be reached, or does not let us, nothing is raised: ``check`` says so, and tries again.

        Raises:
            AdapterError: a setting is wrong.
        """
        settings = self._settings = BedrockSettings.read(context.settings)
        asked_for = [names for names in (settings.languages, context.languages) if names]
        self._wanted = frozenset.intersection(*map(frozenset, asked_for)) if asked_for else None
        self._prices = Prices.read(settings.prices, adapter=self.name)
        self._calls = Calls(self.name, settings)
        tools = Tools(self._calls, settings.interpreter, 2 * FIRST)
        region = settings.region or "default"
        self._memory = Memory(context.state_dir / self.name, f"{settings.interpreter}-{settings.profile}-{region}")
        self._sessions = Sessions(
            tools, Names(settings.name_prefix, context.owner), self._memory, settings.max_sessions
        )
        self._warm = Warm(self._sessions, settings, keeps_warm=context.languages is None)
        self._slots = Slots(settings.max_running, settings.max_waiting)
        self._checks = Checks(self._calls, self._sessions, self._warm, self._memory, settings, self._try_out)
        if self._memory.found is None:
            await self._look_around()
        self._learn()
        if self._languages is not None:
            await asyncio.to_thread(self._languages.warm_up)
            self._warm.keep()
        self._tidying = asyncio.create_task(self._tidy(), name="understudy-bedrock-tidy")

    async def available(self) -> Finding:
        """Whether the service is there and lets us in: one question, and nothing is started."""
        if self._calls is None:
            return Finding(name="service", ok=False, reason=_NOT_STARTED, remedy="start it")
        return await self._checks.available()

    async def check(self) -> CheckResult:
        """Ask the service, and now and then run a program of each language."""
        if self._calls is None:
            return CheckResult(ok=False, reason=_NOT_STARTED, remedy="start it")
        return await self._checks.check(lambda: self.capabilities().languages)

    def accepts(self, request: ExecutionRequest, policy: Policy) -> Refusal | None:
        """Decline what a session at AWS cannot do."""
        self._learn()
        if self._languages is None:
            return Refusal(
                rule="language",
                reason="it is not known yet what the code interpreter at AWS can run",
                remedy="`understudy doctor` says what is missing.",
            )
        declined = self._languages.refusal(request, policy) or refuse(request, policy, self.name) or too_much(request)
        return declined or (None if request.session else too_many(self._slots, self._sessions, self._warm))

    async def execute(self, request: ExecutionRequest, policy: Policy, emit: Emit) -> ExecutionResult:
        """Run the request in a session that no other program has run in, and none will."""
        try:
            launch = self._spoken.launch(request, policy)
        except ValueError as error:
            return as_result(request, policy, Status.FAILED, str(error))
        async with self._slots:
            seconds = policy.max_execution_time / 1000
            session = self._warm.take(seconds)
            began = time.monotonic()
            if session is None:
                session = await self._new(max(self._settings.session_timeout_s, seconds + _MARGIN_S))
            return await self._executed(session, request, policy, launch, emit, began)

    async def _executed(
        self,
        session: FarSession,
        request: ExecutionRequest,
        policy: Policy,
        launch: Launch,
        emit: Emit,
        began: float,
    ) -> ExecutionResult:
        """Run it in this session, which ends with it: behind a result, before anything else leaves."""
        policy = tightened(policy, self._settings.answer_bytes)
        run = Run(self._sessions.tools, session, policy, self._settings.answer_bytes)
        in_background = policy.max_execution_time > self._settings.long_after_s * 1000
        try:
            site = self._spoken.site(request.language, policy)
            ended = await run.whole(request, launch, emit, site=site, in_background=in_background)
        except BaseException as error:
            self._sessions.aside(run.stop())
            await self._sessions.stop(session, within_s=STOP_S)
            if isinstance(error, AwsError) and error.kind is Kind.NOT_FOUND and not error.may_have_started:
                raise AdapterError(_ENDED_BEFORE, retryable=True, may_have_started=False) from None
            raise
        self._sessions.stop_soon(session)
        spent_s = max(LEAST_S, time.monotonic() - began)
        return judged(request, policy, ended, priced(self._prices, self._region, spent_s, spent_s))

    async def _try_out(self, request: ExecutionRequest, policy: Policy) -> ExecutionResult:
        """Run a program that nobody asked for, in a session for it alone."""
        launch, began = self._spoken.launch(request, policy), time.monotonic()
        session = await self._new(self._settings.session_timeout_s)
        return await self._executed(session, request, policy, launch, discard, began)

    async def open(self, session: str, language: str, policy: Policy) -> None:
        """Start an interpreter that takes commands.

        Raises:
            AdapterError: it cannot be started; nothing of it is left.
        """
        launch = self._spoken.open(language, policy)
        far = await self._new(self._settings.live_timeout_s)
        live = LiveSession(self._sessions, far, is_text=launch.report_is_text, answer_bytes=self._settings.answer_bytes)
        try:
            await live.begin(policy, launch, self._spoken.site(language, policy))
        except BaseException:
            await live.aclose()
            raise
        self._live.add(session, live)

    async def run(self, session: str, request: ExecutionRequest, policy: Policy, emit: Emit) -> ExecutionResult:
        """Run one command in a session. Cancelling it ends the session."""
        live = self._live.get(session)
        try:
            frame = self._spoken.frame(request, policy)
        except ValueError as error:
            return as_result(request, policy, Status.FAILED, str(error))
        async with self._slots:
            began = time.monotonic()
            ended = await live.run(frame, policy, emit)
            spent = live.spent(time.monotonic() - began)
        return judged(request, policy, ended, priced(self._prices, self._region, **spent))

    def alive(self, session: str) -> bool:
        """Whether the session takes commands."""
        return self._live.alive(session)

    async def close(self, session: str) -> None:
        """End a session."""
        await self._live.close(session)

    async def reap(self, dead_owners: Sequence[str]) -> int:
        """End the sessions of hosts that are gone: they are known by their names."""
        if self._calls is None or not dead_owners:
            return 0
        try:
            return await self._sessions.reap(dead_owners)
        except AwsError as error:
            _log.warning("bedrock_reap_failed", reason=error.message, owners=len(dead_owners))
            return 0

    async def aclose(self) -> None:
        """End every run and every session."""
        if self._calls is None:
            return
        if self._tidying is not None:
            self._tidying.cancel()
            await asyncio.wait((self._tidying,))
        await self._checks.aclose()
        await self._warm.aclose()
        await self._live.aclose()
        await self._sessions.aclose()
        await self._calls.aclose()

    async def _new(self, lifetime_s: float) -> FarSession:
        if self._sessions.full:
            await self._warm.give_way(STOP_S)
        return await self._sessions.ready(lifetime_s)

    async def _look_around(self) -> None:
        """What there is in the interpreter. Where that cannot be found out now, a check will."""
        try:
            await self._sessions.tools.look()  # which says at once where the service is not there
            await self._sessions.look_around()
        except AdapterError as error:
            _log.warning("bedrock_not_ready", reason=error.message)

    def _learn(self) -> None:
        """Take over what was found, where that is news."""
        found = self._memory.found if self._calls is not None else None
        if found is None or found is self._learned:
            return
        self._learned = found
        self._languages = Languages(found, self._wanted)
        self._capabilities = Capabilities(
            version=f"AgentCore {self._settings.interpreter}",
            languages=self._languages.names,
            enforcement=levels(found),
            files=True,
            session_languages=self._languages.with_sessions,
            remote=True,
            priced=True,
        )

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(self._settings.tidy_every_s)
            try:
                self._warm.tidy()
                await self._sessions.tidy()
            except AdapterError as error:
                _log.warning("bedrock_tidy_failed", reason=error.message)

    @property
    def _region(self) -> str:
        return self._calls.clients.region if self._calls is not None else ""

    @property
    def _spoken(self) -> Languages:
        self._learn()
        if self._languages is None:
            raise AdapterError(
                "It is not known yet what the code interpreter at AWS can run.",
                remedy="`understudy doctor` says what is missing.",
                may_have_started=False,
            )
        return self._languages
