"""What a session may use in all, and what is left of it for the next command."""

import math

from host.models import ExecutionResult
from host.policy import Limits, Policy
from host.sessions.info import SessionTotals

__all__ = ["Budget"]


class Budget:
    """Counts what the commands of one session use.

    Attributes:
        allowed: what they may use in all.
    """

    def __init__(self, allowed: SessionTotals) -> None:
        self.allowed = allowed
        self._commands = 0
        self._wall_ms = 0.0
        self._cpu_ms = 0.0
        self._output_bytes = 0

    @property
    def used(self) -> SessionTotals:
        """What was used until now."""
        return SessionTotals(
            commands=self._commands,
            wall_ms=round(self._wall_ms, 3),
            cpu_ms=round(self._cpu_ms, 3),
            output_bytes=self._output_bytes,
        )

    def spend(self, result: ExecutionResult) -> None:
        """Count a command that has ended."""
        usage = result.usage
        written = usage.output_bytes
        self._commands += 1
        self._wall_ms += usage.wall_ms or 0.0
        self._cpu_ms += usage.cpu_ms or 0.0
        self._output_bytes += len(result.stdout) + len(result.stderr) if written is None else written

    def used_up(self) -> str | None:
        """A sentence that names what is used up, or None where something is left of everything."""
        allowed = self.allowed
        if self._commands >= allowed.commands:
            return f"It ran all of the {allowed.commands} commands that a session may run (sessions.max_commands)."
        if self._wall_ms > allowed.wall_ms - 1:
            return f"Its commands took all of their {allowed.wall_ms:.0f} ms (sessions.max_wall_ms)."
        if self._cpu_ms > allowed.cpu_ms - 1:
            return f"Its commands took all of their {allowed.cpu_ms:.0f} ms of CPU time (sessions.max_cpu_ms)."
        if self._output_bytes >= allowed.output_bytes:
            return f"Its commands wrote all of their {allowed.output_bytes} bytes (sessions.max_output_bytes)."
        return None

    def within(self, policy: Policy) -> Policy:
        """``policy``, tightened where less than it gives is left."""
        wall_ms = math.floor(self.allowed.wall_ms - self._wall_ms)
        cpu_ms = math.floor(self.allowed.cpu_ms - self._cpu_ms)
        output_bytes = self.allowed.output_bytes - self._output_bytes
        if (
            wall_ms >= policy.max_execution_time
            and cpu_ms >= policy.max_cpu_time
            and output_bytes >= policy.max_output_bytes
        ):
            return policy
        left = Limits(
            max_execution_time=min(max(wall_ms, 1), policy.max_execution_time),
            max_cpu_time=min(max(cpu_ms, 1), policy.max_cpu_time),
            max_output_bytes=min(max(output_bytes, 0), policy.max_output_bytes),
        )
        return policy.tighten(left)
