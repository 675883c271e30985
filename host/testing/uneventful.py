"""The uneventful half of an adapter, for tests that are about how it runs a program."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from host.interface import AdapterContext, Capabilities, CheckResult, Refusal
from host.models import ExecutionRequest
from host.policy import ENFORCED_FIELDS, Enforcement, Policy

__all__ = ["Uneventful"]


class Uneventful:
    """An adapter that is ready, takes every request, and leaves nothing behind; what it lacks is ``execute``.

    Attributes:
        name: a subclass has its own.
        claims: what its capabilities are, beside Python with every field of a policy held at a wall.
    """

    name = "uneventful"
    claims: ClassVar[Mapping[str, Any]] = {}

    def capabilities(self) -> Capabilities:
        """As ``claims`` says."""
        levels = dict.fromkeys(ENFORCED_FIELDS, Enforcement.WALL)
        return Capabilities(**{"version": "1", "languages": ("python",), "enforcement": levels, **self.claims})

    async def start(self, context: AdapterContext) -> None:
        """There is nothing to start."""

    async def check(self) -> CheckResult:
        """It is ready."""
        return CheckResult(ok=True, reason="ready.")

    def accepts(self, request: ExecutionRequest, policy: Policy) -> Refusal | None:
        """It takes everything."""
        return None

    async def reap(self, dead_owners: Sequence[str]) -> int:
        """Dead hosts left nothing."""
        return 0

    async def aclose(self) -> None:
        """Nothing is held."""
