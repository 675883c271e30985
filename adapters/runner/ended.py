"""The facts about a run that is over, as a wall saw them. What they mean is decided in ``verdict.py``."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from adapters.guest.reports import GuestReport
from host.models import File

__all__ = ["Cause", "Counted", "Ended"]


class Counted(Protocol):
    """What came of one channel."""

    bytes: int


class Text(Counted, Protocol):
    """What came of one output stream."""

    @property
    def text(self) -> str: ...


class Spent(Protocol):
    """What bounds the channels together."""

    exceeded: bool


class Cause(StrEnum):
    """Why the host ended a run."""

    DEADLINE = "deadline"
    OUTPUT = "output"
    CPU = "cpu"
    MEMORY = "memory"
    PROCESSES = "processes"
    CANCELLED = "cancelled"
    FILES = "files"


@dataclass(slots=True)
class Ended:
    """The facts about a run that is over."""

    cause: Cause | None = None
    exit_code: int | None = None
    signal: int | None = None
    stdout: str = ""
    stderr: str = ""
    truncated: bool = False
    report: GuestReport = GuestReport()  # noqa: RUF009 - frozen
    files: tuple[File, ...] = ()
    skipped: tuple[str, ...] = ()
    ran_out_of_memory: bool = False
    wall_ms: float = 0.0
    cpu_ms: float | None = None
    peak_memory_bytes: int | None = None
    output_bytes: int = 0
    trouble: str = field(default="")

    @classmethod
    def of(
        cls, cause: Cause | None, stdout: Text, stderr: Text, report: Counted, budget: Spent, wall_ms: float
    ) -> "Ended":
        """What came out, and how long it took."""
        return cls(
            cause=cause,
            stdout=stdout.text,
            stderr=stderr.text,
            truncated=budget.exceeded,
            wall_ms=wall_ms,
            output_bytes=stdout.bytes + stderr.bytes + report.bytes,
        )
