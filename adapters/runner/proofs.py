"""Small programs that prove that a language really runs, for the checks of every adapter that runs guests."""

from collections.abc import Awaitable, Callable

from host.errors import AdapterError
from host.interface import Finding
from host.models import ExecutionRequest, ExecutionResult, Status
from host.policy import Policy

__all__ = ["POLICY", "PROGRAMS", "TryOut", "prove"]

TryOut = Callable[[ExecutionRequest, Policy], Awaitable[ExecutionResult]]

POLICY = Policy(name="check", max_execution_time=60_000, max_cpu_time=60_000, max_memory_mb=512, allowed_imports=None)
"""What they run under."""

PROGRAMS = {
    "python": "6 * 7",
    "javascript": "result = 6 * 7",
    "typescript": "const answer: number = 6 * 7; result = answer",
    "sql": "select 6 * 7",
    "bash": "result=42",
    "elixir": "6 * 7",
}
"""By language."""


async def prove(try_out: TryOut, language: str, policy: Policy = POLICY) -> Finding:
    """Run the program of a language. Raises nothing: what fails is in the finding."""
    name = f"{language} program"
    request = ExecutionRequest(code=PROGRAMS.get(language, ""), language=language)
    try:
        result = await try_out(request, policy)
    except AdapterError as error:
        return Finding(name=name, ok=False, reason=error.message, remedy=error.remedy or "see the reason")
    if result.status is not Status.SUCCEEDED:
        reason = f"{result.status}: {result.reason} {result.stderr}".strip()
        return Finding(name=name, ok=False, reason=reason, remedy="see the reason")
    return Finding(name=name, ok=True, reason="ran")
