"""From the facts about a run to the result that an adapter reports."""

from adapters.runner.ended import Ended
from adapters.runner.verdict import decide, signal_name
from host.models import ExecutionRequest, ExecutionResult, Priced, Status, Usage
from host.policy import Policy

__all__ = ["as_result", "judged"]


def judged(request: ExecutionRequest, policy: Policy, ended: Ended, priced: Priced | None = None) -> ExecutionResult:
    """How it ended, and why, by what the wall saw."""
    return as_result(request, policy, *decide(ended, policy), ended, priced)


def as_result(
    request: ExecutionRequest,
    policy: Policy,
    status: Status,
    reason: str,
    ended: Ended | None = None,
    priced: Priced | None = None,
) -> ExecutionResult:
    """A result with that status. Without ``ended`` nothing has run."""
    ended = ended or Ended()
    return ExecutionResult(
        id=request.id,
        language=request.language,
        policy=policy.name,
        status=status,
        reason=reason,
        value=ended.report.value if status is Status.SUCCEEDED else None,
        stdout=ended.stdout,
        stderr=ended.stderr,
        truncated=ended.truncated,
        files=ended.files,
        displays=ended.report.displays,
        exit_code=ended.exit_code,
        signal=signal_name(ended.signal) if ended.signal else None,
        may_have_started=ended.wall_ms > 0,
        usage=Usage(
            wall_ms=ended.wall_ms,
            cpu_ms=ended.cpu_ms,
            peak_memory_bytes=ended.peak_memory_bytes,
            output_bytes=ended.output_bytes,
            priced=priced,
        ),
    )
