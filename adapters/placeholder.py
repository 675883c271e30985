"""The placeholder: it stands in while nothing can run code, and says politely that it cannot."""

from collections.abc import Sequence

from host.interface import AdapterContext, Capabilities, CheckResult, Emit, Refusal
from host.models import ExecutionRequest, ExecutionResult, Status, Usage
from host.policy import ENFORCED_FIELDS, Enforcement, Policy

__all__ = ["PlaceholderAdapter"]

_MESSAGE = "Code execution coming soon"
_CAPABILITIES = Capabilities(
    version="1",
    languages=("python", "javascript", "sql", "elixir"),
    enforcement=dict.fromkeys(ENFORCED_FIELDS, Enforcement.WALL),  # true of every limit: it runs nothing
    runs_code=False,
)


class PlaceholderAdapter:
    """Answers every request in its languages with ``not_implemented``, and runs nothing."""

    name = "placeholder"

    def capabilities(self) -> Capabilities:
        return _CAPABILITIES

    async def start(self, context: AdapterContext) -> None:
        """Nothing to start."""

    async def check(self) -> CheckResult:
        """Always ready."""
        return CheckResult(ok=True, reason="It runs nothing, so nothing can be missing.", latency_ms=0.0)

    def accepts(self, request: ExecutionRequest, policy: Policy) -> Refusal | None:
        return None

    async def execute(self, request: ExecutionRequest, policy: Policy, emit: Emit) -> ExecutionResult:
        """The answer that the project began with."""
        return ExecutionResult(
            id=request.id,
            status=Status.NOT_IMPLEMENTED,
            reason=_MESSAGE,
            message=_MESSAGE,
            fallback_action="describe_computation_only",
            usage=Usage(wall_ms=0.0, cpu_ms=0.0, peak_memory_bytes=0, output_bytes=0),
            language=request.language,
            policy=policy.name,
        )

    async def reap(self, dead_owners: Sequence[str]) -> int:
        """It leaves nothing behind."""
        return 0

    async def aclose(self) -> None:
        """Nothing to give back."""
