"""Watch one run from outside: what its processes use together, and whether that is more than the policy gives.

Where the kernel counts for us (control groups) this only looks at CPU time now and then. Where it does not, it adds up
the memory, CPU time and threads of the run's process tree some fifty times a second; the rlimits inside hold each
single process meanwhile.
"""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from adapters.sandbox.cgroups import Counts, children

__all__ = ["Bounds", "Counting", "Excess", "Sample", "Watch", "can_watch", "sample"]

_TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")
_PAUSE_S = 0.02
_FIRST_PAUSES_S = (0.003, 0.005, 0.008, 0.012)
_LONGEST_PAUSE_S = 0.25
_SHORTEST_PAUSE_S = 0.004
_MEMORY = ("RssAnon:", "RssShmem:", "VmSwap:", "VmPTE:")


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process and all its descendants use at one moment."""

    memory_bytes: int
    cpu_ms: float
    threads: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a run may use, and the numbers of the policy for the sentence that says so."""

    cpu_ms: int
    memory_bytes: int
    threads: int

    def with_cpu(self, cpu_ms: int) -> "Bounds":
        """The same with another bound of CPU time."""
        return Bounds(cpu_ms, self.memory_bytes, self.threads)


@dataclass(frozen=True, slots=True)
class Excess:
    """A bound that was passed: ``cpu``, ``memory`` or ``processes``."""

    bound: str


class Counting(Protocol):
    """A control group as far as this module needs it."""

    def counts(self) -> Counts:
        """What it has used so far."""
        ...


class Watch:
    """The watch over one run.

    Args:
        pid: process 1 inside, which belongs to the wall.
        bounds: what the run may use.
        group: its control group, if there are any.
        program: the program's process, where it is no child of process 1.
        cpu_before_ms: CPU time that was spent before the program began.

    Attributes:
        cpu_ms: CPU time that was seen, None before the first look.
        peak_memory_bytes: the most memory that was seen, None before the first look.
    """

    def __init__(
        self,
        pid: int,
        bounds: Bounds,
        group: Counting | None,
        program: int | None = None,
        cpu_before_ms: float = 0.0,
    ) -> None:
        self._pid = pid
        self._program = program
        self._bounds = bounds
        self._group = group
        self._cpu_before_ms = cpu_before_ms
        self.cpu_ms: float | None = None
        self.peak_memory_bytes: int | None = None

    def begin(self) -> None:
        """The program is about to start: what the wall itself has used so far is not the program's."""
        if self._group:
            self._cpu_before_ms = self._group.counts().cpu_ms or 0.0
        elif seen := sample(self._pid, self._program):
            self._cpu_before_ms = seen.cpu_ms

    def since_begin(self, cpu_ms: float | None) -> float | None:
        """The part of a CPU time that came after ``begin``."""
        return None if cpu_ms is None else max(0.0, cpu_ms - self._cpu_before_ms)

    async def until_excess(self) -> Excess:
        """Look again and again; return when a bound is passed. Cancel it when the run is over."""
        pauses = iter(_FIRST_PAUSES_S)
        cores = os.cpu_count() or 1
        while True:
            excess = self._look_at_group(self._group) if self._group else self._look_at_tree()
            if excess:
                return excess
            left_s = (self._bounds.cpu_ms - (self.cpu_ms or 0.0)) / 1000 / cores
            longest = _LONGEST_PAUSE_S if self._group else next(pauses, _PAUSE_S)
            await asyncio.sleep(max(_SHORTEST_PAUSE_S if self._group else 0.001, min(left_s, longest)))

    def _look_at_group(self, group: Counting) -> Excess | None:
        counts = group.counts()
        self.cpu_ms = self.since_begin(counts.cpu_ms)
        self.peak_memory_bytes = counts.peak_memory_bytes
        if counts.out_of_memory:
            return Excess("memory")
        return Excess("cpu") if (self.cpu_ms or 0.0) >= self._bounds.cpu_ms else None

    def _look_at_tree(self) -> Excess | None:
        seen = sample(self._pid, self._program)
        if seen is None:
            return None
        self.cpu_ms = max(self.cpu_ms or 0.0, seen.cpu_ms - self._cpu_before_ms)
        self.peak_memory_bytes = max(self.peak_memory_bytes or 0, seen.memory_bytes)
        if seen.memory_bytes > self._bounds.memory_bytes:
            return Excess("memory")
        if self.cpu_ms >= self._bounds.cpu_ms:
            return Excess("cpu")
        return Excess("processes") if seen.threads > self._bounds.threads else None


def sample(launcher: int, program: int | None = None) -> Sample | None:
    """What everything below the launcher uses, and the program where it is somebody else's child; None when the
    launcher is gone.

    The launcher itself does not count, but the CPU time of those that it has buried does.
    """
    memory = threads = 0
    cpu = 0.0
    waiting = [launcher] if program is None else [launcher, program]
    seen: set[int] = set()
    while waiting:
        pid = waiting.pop()
        if pid in seen:  # its parent ended meanwhile, and left it to another
            continue
        seen.add(pid)
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            waiting += children(pid)
        except (OSError, ValueError):
            if pid == launcher:
                return None
            continue
        buried = int(fields[13]) + int(fields[14])
        if pid == launcher:
            cpu += buried * _TICK_MS
            continue
        cpu += (int(fields[11]) + int(fields[12]) + buried) * _TICK_MS
        for line in status.splitlines():
            if line.startswith(_MEMORY):
                memory += int(line.split()[1]) * 1024
            elif line.startswith("Threads:"):
                threads += int(line.split()[1])
    return Sample(memory, cpu, threads)


def can_watch() -> bool:
    """Whether this kernel tells a process's children."""
    return Path(f"/proc/self/task/{os.getpid()}/children").exists()
