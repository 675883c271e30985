"""The path of one request, once and in this order: policy, validation, choice, intent, run, record, observers."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from host.errors import (
    DuplicateExecution,
    HostBusy,
    NothingCanServe,
    NotSupportedYet,
    UnknownLanguage,
    UnknownPolicy,
    WidenedLimits,
)
from host.interface import Adapter, CheckResult, Emit
from host.models import ExecutionRequest, ExecutionResult, Explanation, Risk, Severity, Status, Verdict
from host.outcomes import Recorder, blank, denial, judged, normalised, sealed
from host.plugins import Plugins
from host.policy import Policy
from host.registry import Choice, Registry
from host.running import Running, outcome, stopped
from host.sessions import Sessions
from host.switchboard import Switchboard

if TYPE_CHECKING:
    from host.store.interface import Store
    from host.streams import Stream

__all__ = ["Dispatcher"]

_GONE_BEFORE = "The caller went away before the program started."


class Dispatcher:
    """Runs requests. It owns nothing but the table of what was accepted and has no record yet."""

    def __init__(
        self,
        plugins: Plugins,
        policies: Mapping[str, Policy],
        default_policy: str,
        registry: Registry,
        switchboard: Switchboard,
        checks: Mapping[str, CheckResult],
        store: "Store",
        owner: str,
        language_names: Mapping[str, str],
        sessions: Sessions,
    ) -> None:
        self._plugins = plugins
        self._policies = policies
        self._default_policy = default_policy
        self._registry = registry
        self._switchboard = switchboard
        self._checks = checks
        self._store = store
        self._owner = owner
        self._language_names = language_names
        self._sessions = sessions
        self.running: dict[str, Running] = {}

    # --- before anything runs -----------------------------------------------------------------------------------------

    def language(self, name: str) -> str:
        """The proper name of a language.

        Raises:
            UnknownLanguage: no plugin brings it.
        """
        try:
            return self._language_names[name]
        except KeyError:
            known = ", ".join(sorted(set(self._language_names.values())))
            raise UnknownLanguage(f"language {name!r} is not known.", remedy=f"Languages are {known}.") from None

    def policy(self, name: str | None) -> Policy:
        """The named policy, or the default.

        Raises:
            UnknownPolicy: there is none by that name.
        """
        name = self._default_policy if name is None else name
        try:
            return self._policies[name]
        except KeyError:
            remedy = f"Policies are {', '.join(sorted(self._policies))}."
            if name == "trusted":
                remedy += " An operator allows it with policies.allow_trusted = true."
            raise UnknownPolicy(f"policy {name!r} is not known.", remedy=remedy) from None

    def resolve(self, request: ExecutionRequest) -> tuple[ExecutionRequest, Policy]:
        """The request with its language's proper name, and the policy that applies to it.

        Raises:
            RequestError: it never becomes an execution.
        """
        if request.idempotency_key is not None:
            message = "idempotency_key is not served by this host."
            raise NotSupportedYet(message, remedy="Send the request without idempotency_key.")
        language = self.language(request.language)
        if language != request.language:
            request = request.model_copy(update={"language": language})
        if request.session is None:
            policy = self.policy(request.policy)
        else:
            session = self._sessions.here(request.session)
            request = session.bound(request, language if "language" in request.model_fields_set else None)
            policy = session.policy
        widened = policy.widened_by(request.limits)
        if widened:
            raise WidenedLimits("; ".join(widened) + ".", remedy="Ask for less, or for a policy that gives more.")
        return request, policy.tighten(request.limits)

    # --- the path -----------------------------------------------------------------------------------------------------

    async def execute(self, request: ExecutionRequest, emit: Emit, stream: "Stream | None" = None) -> ExecutionResult:
        """Take one request from beginning to record. See ``Host.execute``."""
        started_at = datetime.now(UTC)
        if request.session is not None:
            await self._sessions.find(request.session)  # says what became of one that is not here
        request, policy = self.resolve(request)
        if request.id in self.running:
            raise DuplicateExecution(
                f"an execution with the id {request.id!r} runs.", remedy="Send another id, or none."
            )
        running = self.running[request.id] = Running(request, policy, stream=stream)
        try:
            if request.session is None:
                return await self._through(running, policy, started_at, emit)
            with self._sessions.here(request.session).enter(request.id) as running.command:
                return await self._through(running, policy, started_at, emit)
        except BaseException as error:
            if running.stream is not None and running.result is None:
                running.stream.fail(error)
            raise
        finally:
            del self.running[request.id]
            running.done.set()
            if running.stream is not None and running.result is not None:
                running.stream.finish(running.result)

    async def _through(self, running: Running, policy: Policy, started_at: datetime, emit: Emit) -> ExecutionResult:
        request = running.request
        refusal = self._plugins.deny(request, policy)
        if refusal is not None:
            return await self._without_running(running, policy, started_at, denial(request, policy, refusal))
        verdict = await self._plugins.validate(request.code, request.language, policy)
        if verdict.error is not None or verdict.verdict == "denied":
            return await self._without_running(running, policy, started_at, judged(request, policy, verdict))
        choice = self._registry.choose(request, policy, self._switchboard.lanes, self._checks)
        if choice.busy and (choice.adapter is None or not choice.adapter.capabilities().runs_code):
            reasons = " ".join(each.reason for each in choice.explain)
            raise HostBusy(f"the host is busy: {reasons}", remedy="Send the request again in a moment.")
        if choice.adapter is None:
            result = self._unserved(request, policy, choice)
            return await self._without_running(running, policy, started_at, result)
        if not choice.adapter.capabilities().runs_code:
            result = await choice.adapter.execute(request, policy, emit)
            result = normalised(result, request, policy, choice.adapter, verdict, choice.explain, started_at)
            return await self._without_running(running, policy, started_at, result)
        gone = None
        if running.command is not None:
            verdict = verdict.model_copy(update={"effect_free": False, "deterministic": False})
            gone = await self._turn(running)
            policy, started_at = running.policy, datetime.now(UTC)
        if running.cancelled_because is not None:
            never = _never_started(running, policy, choice.adapter, verdict, choice.explain, started_at)
            result = await self._without_running(running, policy, started_at, never)
            if gone is not None:
                raise gone
            return result
        return await self._run(running, policy, verdict, choice.adapter, choice.explain, started_at, emit)

    async def _turn(self, running: Running) -> asyncio.CancelledError | None:
        """Wait for a command's turn in its session; the error where the caller went away meanwhile."""
        try:
            if running.command is not None and running.cancelled_because is None:
                running.policy = await running.command.turn(running.policy)
        except asyncio.CancelledError as error:
            running.cancelled_because = running.cancelled_because or _GONE_BEFORE
            return error
        return None

    async def _without_running(
        self, running: Running, policy: Policy, started_at: datetime, result: ExecutionResult
    ) -> ExecutionResult:
        """Record the end of a request for which no program was started."""
        request = running.request
        final = sealed(result, request, policy, started_at)
        try:
            await self._store.record(request, policy, final, owner=self._owner)
        except asyncio.CancelledError:  # it is written all the same
            running.result = final
            raise
        running.result = final
        self._plugins.observe("execution_finished", request=request, result=final)
        return final

    async def _run(
        self,
        running: Running,
        policy: Policy,
        verdict: Verdict,
        adapter: Adapter,
        explain: tuple[Explanation, ...],
        started_at: datetime,
        emit: Emit,
    ) -> ExecutionResult:
        request = running.request
        version = adapter.capabilities().version
        interrupted: asyncio.CancelledError | None = None
        try:
            await self._store.begin(request, policy, owner=self._owner, adapter=adapter.name, adapter_version=version)
        except asyncio.CancelledError as error:  # the intent is written all the same, and wants an end
            interrupted = error
            running.cancelled_because = running.cancelled_because or _GONE_BEFORE
        if running.cancelled_because is not None:
            result = _never_started(running, policy, adapter, verdict, explain, started_at)
            return await self._finish(running, policy, sealed(result, request, policy, started_at), interrupted)
        recorder = Recorder(emit, policy.max_output_bytes)
        running.begin(adapter.name, recorder)
        self._plugins.observe("execution_started", request=request, policy=policy, adapter=adapter.name)
        run = adapter.execute if running.command is None else running.command.run
        running.task = asyncio.create_task(run(request, policy, recorder))
        clock = time.perf_counter()
        try:
            result = await outcome(running, policy, recorder)
        except asyncio.CancelledError as error:  # the caller's own task: stop the run and record, then let it go
            interrupted = error
            reason = "The caller went away before the program ended."
            result = await stopped(running, policy, recorder, reason)
        if result.usage.wall_ms is None:
            usage = result.usage.model_copy(update={"wall_ms": (time.perf_counter() - clock) * 1000})
            result = result.model_copy(update={"usage": usage})
        result = normalised(result, request, policy, adapter, verdict, explain, started_at)
        if running.command is not None:
            result = running.command.settled(result)
        return await self._finish(running, policy, sealed(result, request, policy, started_at), interrupted)

    async def _finish(
        self,
        running: Running,
        policy: Policy,
        final: ExecutionResult,
        interrupted: asyncio.CancelledError | None,
    ) -> ExecutionResult:
        """Record the end of what has an intent; then a caller that was interrupted goes its way."""
        try:
            await self._store.finish(running.request, policy, final)
        except asyncio.CancelledError as error:  # it is written all the same
            interrupted = error
        running.result = final
        self._plugins.observe("execution_finished", request=running.request, result=final)
        if interrupted is not None:
            raise interrupted
        return final

    def _unserved(self, request: ExecutionRequest, policy: Policy, choice: Choice) -> ExecutionResult:
        """The result where no adapter may serve.

        Raises:
            NothingCanServe: the placeholder is switched off too.
        """
        reasons = " ".join(f"{each.adapter}: {each.reason} {each.remedy}".strip() for each in choice.explain)
        if request.adapter is not None:
            status = Status.DENIED if choice.declined else Status.NOT_IMPLEMENTED
            risk = Risk(rule="adapter", severity=Severity.DENY, line=0, column=0, message=reasons, remedy="")
            risks = (risk,) if choice.declined else ()
            return blank(request, policy, status, reasons, risks=risks, explain=choice.explain)
        standing_in = any(
            not self._registry.adapters[name].capabilities().runs_code for name in self._switchboard.current
        )
        if not standing_in:
            raise NothingCanServe(
                f"no adapter may serve {request.language} under policy {policy.name}.", remedy=reasons
            )
        reason = f"Nothing that is ready may run {request.language} under policy {policy.name}. {reasons}"
        return blank(request, policy, Status.NOT_IMPLEMENTED, reason, explain=choice.explain)

    async def cancel(self, execution_id: str, because: str) -> bool:
        """Stop a request, wherever it is on its way, and wait until it is dead and recorded.

        False where nothing by that id runs here.
        """
        running = self.running.get(execution_id)
        if running is None:
            return False
        running.cancelled_because = running.cancelled_because or because
        if running.task is not None:
            running.task.cancel()
        elif running.command is not None:
            running.command.withdraw()
        await running.done.wait()
        return True


def _never_started(
    running: Running,
    policy: Policy,
    adapter: Adapter,
    verdict: Verdict,
    explain: tuple[Explanation, ...],
    started_at: datetime,
) -> ExecutionResult:
    """The end of a request that was cancelled before its program started."""
    reason = running.cancelled_because or ""
    result = blank(running.request, policy, Status.CANCELLED, reason)
    return normalised(result, running.request, policy, adapter, verdict, explain, started_at)
