"""Results: how the host words each end of a request, completes what an adapter reports, and seals it."""

from collections.abc import Mapping
from datetime import UTC, datetime

from host.interface import Adapter, DisplayEvent, Emit, OutputEvent, Refusal
from host.models import (
    Display,
    ExecutionRequest,
    ExecutionResult,
    Explanation,
    Provenance,
    Risk,
    Severity,
    Status,
    Usage,
    Verdict,
)
from host.policy import Policy

__all__ = ["Recorder", "blank", "cut_off", "denial", "judged", "normalised", "sealed"]

_REASONS: Mapping[Status, str] = {
    Status.SUCCEEDED: "The program ran to its end.",
    Status.FAILED: "The program failed.",
    Status.TIMED_OUT: "The program used up its time.",
    Status.OUT_OF_MEMORY: "The program used up its memory.",
    Status.OUTPUT_LIMIT: "The program wrote more than its policy lets out.",
    Status.KILLED: "A signal ended the program.",
    Status.CANCELLED: "The run was cancelled.",
    Status.NOT_IMPLEMENTED: "Nothing can run this now.",
    Status.ADAPTER_FAILED: "The adapter failed.",
}


class Recorder:
    """Passes events on and keeps what was written, so that partial output outlives a run that is cut off.

    Attributes:
        events: what was kept, in order.
    """

    __slots__ = ("_budget", "_emit", "events")

    def __init__(self, emit: Emit, budget: int) -> None:
        self._emit = emit
        self._budget = budget
        self.events: list[OutputEvent | DisplayEvent] = []

    def __call__(self, event: OutputEvent | DisplayEvent) -> None:
        if isinstance(event, DisplayEvent):
            self.events.append(event)
        elif self._budget > 0:
            self._budget -= len(event.text)
            self.events.append(event)
        self._emit(event)

    def also(self, emit: Emit) -> None:
        """Pass what was kept, and all that comes, to ``emit`` too."""
        for event in self.events:
            emit(event)
        first = self._emit

        def both(event: OutputEvent | DisplayEvent) -> None:
            first(event)
            emit(event)

        self._emit = both

    def text(self, stream: str) -> str:
        """What was kept of stdout or stderr."""
        return "".join(event.text for event in self.events if isinstance(event, OutputEvent) and event.stream == stream)

    @property
    def displays(self) -> tuple[Display, ...]:
        """What was shown."""
        return tuple(event.display for event in self.events if isinstance(event, DisplayEvent))


def blank(
    request: ExecutionRequest,
    policy: Policy,
    status: Status,
    reason: str,
    *,
    risks: tuple[Risk, ...] = (),
    explain: tuple[Explanation, ...] = (),
) -> ExecutionResult:
    return ExecutionResult(
        id=request.id,
        status=status,
        reason=reason,
        language=request.language,
        policy=policy.name,
        risks=risks,
        explain=explain,
    )


def cut_off(
    request: ExecutionRequest,
    policy: Policy,
    recorder: Recorder,
    status: Status,
    reason: str,
    *,
    may_have_started: bool = True,
) -> ExecutionResult:
    """A run that the adapter could not report on, with what it had written until then."""
    return ExecutionResult(
        id=request.id,
        status=status,
        reason=reason,
        language=request.language,
        policy=policy.name,
        stdout=recorder.text("stdout"),
        stderr=recorder.text("stderr"),
        displays=recorder.displays,
        may_have_started=may_have_started,
        usage=Usage(),
    )


def denial(request: ExecutionRequest, policy: Policy, refusal: Refusal) -> ExecutionResult:
    risk = Risk(
        rule=refusal.rule, severity=Severity.DENY, line=0, column=0, message=refusal.reason, remedy=refusal.remedy
    )
    reason = f"{refusal.reason} {refusal.remedy}".strip()
    return blank(request, policy, Status.DENIED, reason, risks=(risk,))


def judged(request: ExecutionRequest, policy: Policy, verdict: Verdict) -> ExecutionResult:
    """What validation alone decides: a program that cannot be parsed has failed, one with a denied risk is denied."""
    if verdict.error is not None and verdict.verdict != "denied":
        error = verdict.error
        reason = f"{error.message} (line {error.line}, column {error.column})" if error.line else error.message
        return blank(request, policy, Status.FAILED, reason, risks=(error, *verdict.risks))
    stopping = [risk for risk in verdict.risks if risk.severity is Severity.DENY]
    reason = " ".join(f"{risk.message} {risk.remedy}".strip() for risk in stopping[:3])
    if len(stopping) > 3:
        reason += f" And {len(stopping) - 3} more."
    return blank(request, policy, Status.DENIED, reason or "Validation denied it.", risks=verdict.risks)


def normalised(
    result: ExecutionResult,
    request: ExecutionRequest,
    policy: Policy,
    adapter: Adapter,
    verdict: Verdict,
    explain: tuple[Explanation, ...],
    started_at: datetime,
) -> ExecutionResult:
    """The adapter's result with everything that only the host may say."""
    return result.model_copy(
        update={
            "id": request.id,
            "reason": result.reason or _REASONS.get(result.status, ""),
            "risks": verdict.risks,
            "adapter": adapter.name,
            "adapter_version": adapter.capabilities().version,
            "language": request.language,
            "policy": policy.name,
            "explain": explain,
            "started_at": started_at,
        }
    )


def sealed(result: ExecutionResult, request: ExecutionRequest, policy: Policy, started_at: datetime) -> ExecutionResult:
    """The final form, with times and hashes."""
    provenance = Provenance.model_construct(
        code_sha256=request.code_sha256,
        inputs_sha256=request.inputs_sha256,
        outputs_sha256=result.outputs_sha256,
        policy_sha256=policy.sha256,
    )
    times = {"started_at": started_at, "finished_at": datetime.now(UTC)}
    return result.model_copy(update={"provenance": provenance, "session": request.session, **times})
