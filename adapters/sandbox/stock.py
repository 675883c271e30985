"""Control groups for warm runs, made ahead and, where the kernel lets their counts be reset, used again.

Making, limiting and removing the groups of version 1 takes a dozen system calls on three hierarchies, as much as a
short run itself. What a group has counted is seen from outside only, so a next run learns nothing from it.
"""

import contextlib
import os
from collections import deque
from pathlib import Path

from adapters.sandbox.cgroups import Cgroups, Counts, Group
from host.errors import AdapterError

__all__ = ["Metered", "Stock"]

_KEPT = 64
_RESIDUE_BYTES = 4 << 20
"""Memory that the kernel has not given back yet. A group with more is not used again, for it would come short."""


class Metered:
    """A control group of version 1 with its files held open.

    Attributes:
        doors: descriptors through which a process enters by writing 0: a process that moves itself waits for nobody.
    """

    def __init__(self, group: Group, folders: tuple[Path, ...]) -> None:
        self.group = group
        self.limits: tuple[int, int] | None = None
        self._cpu_before_ns = 0
        self._killed_before = 0
        self._open: list[int] = []
        self.doors: list[int] = []
        self._cpu = self._peak = self._events = self._usage = self._tasks = -1
        for folder in folders:
            self.doors.append(self._opened(folder / "tasks", os.O_WRONLY))
            if (folder / "cpuacct.usage").exists():
                self._cpu = self._opened(folder / "cpuacct.usage", os.O_RDONLY)
            if (folder / "pids.current").exists():
                self._members = folder / "cgroup.procs"
                self._tasks = self._opened(folder / "pids.current", os.O_RDONLY)
            if (folder / "memory.limit_in_bytes").exists():
                self._peak = self._opened(folder / "memory.max_usage_in_bytes", os.O_RDWR)
                self._events = self._opened(folder / "memory.oom_control", os.O_RDONLY)
                self._usage = self._opened(folder / "memory.usage_in_bytes", os.O_RDONLY)

    def cpu_ms(self) -> float:
        """CPU time that it has used since it was taken."""
        return (self._cpu_ns() - self._cpu_before_ns) / 1e6

    def counts(self) -> Counts:
        """What it has used since it was taken."""
        return Counts(
            self.cpu_ms(),
            _number(self._peak),
            self._killed() > self._killed_before,
        )

    def processes(self) -> int | None:
        """How many processes are in it. None where the kernel does not say."""
        if self._tasks < 0:
            return None
        threads = _number(self._tasks)
        if threads < 2:
            return threads
        with open(self._members, "rb") as members:  # noqa: PTH123 - one that stays open shows an old list
            return len(members.read().split())

    def clear(self) -> bool:
        """Count from nothing again. False where too much of the last run is still charged to it."""
        if _number(self._usage) > _RESIDUE_BYTES:
            return False
        os.pwrite(self._peak, b"0", 0)
        self._cpu_before_ns = self._cpu_ns()
        self._killed_before = self._killed()
        return True

    @property
    def descriptors(self) -> int:
        """How many it holds open."""
        return len(self._open)

    def close(self) -> None:
        """Give the descriptors back."""
        for descriptor in self._open:
            os.close(descriptor)
        self._open.clear()

    def _opened(self, path: Path, flags: int) -> int:
        descriptor = os.open(path, flags | os.O_CLOEXEC)
        self._open.append(descriptor)
        return descriptor

    def _cpu_ns(self) -> int:
        return _number(self._cpu)

    def _killed(self) -> int:
        text = os.pread(self._events, 256, 0)
        return int(text.rpartition(b"oom_kill ")[2] or 0) if b"oom_kill " in text else 0


class Stock:
    """The groups of one adapter.

    Args:
        cgroups: where they are made; of version 1.
    """

    def __init__(self, cgroups: Cgroups) -> None:
        self._cgroups = cgroups
        self._free: deque[Metered] = deque()
        self._kept: set[Metered] = set()
        self._leaving: list[Metered] = []

    def take(self, memory_bytes: int, processes: int) -> Metered:
        """A group that is empty and has these limits.

        Raises:
            AdapterError: the kernel refuses.
        """
        try:
            metered = self._free.popleft() if self._free else self._made()
            if metered.limits != (memory_bytes, processes):
                metered.group.limit(memory_bytes, processes)
                metered.limits = (memory_bytes, processes)
        except OSError as error:
            raise AdapterError(
                f"no control group could be made: {error}", retryable=True, may_have_started=False
            ) from error
        return metered

    def give_back(self, metered: Metered) -> None:
        """Every process in it is dead."""
        if len(self._free) < _KEPT and metered.clear():
            self._free.append(metered)
        else:
            self._leaving.append(metered)
            self._kept.discard(metered)
        self._leaving = [leaving for leaving in self._leaving if not _removed(leaving)]

    @property
    def descriptors(self) -> int:
        """How many all groups hold open."""
        return sum(metered.descriptors for metered in self._kept.copy())

    def close(self) -> None:
        """Remove them all."""
        for metered in (*self._kept, *self._leaving):
            _removed(metered)
        self._kept.clear()
        self._free.clear()

    def _made(self) -> Metered:
        group = self._cgroups.create()
        try:
            metered = Metered(group, group.folders)
        except OSError:
            group.remove()
            raise
        self._kept.add(metered)
        return metered


def _removed(metered: Metered) -> bool:
    """Whether it is gone. The kernel may need a moment to see it empty."""
    metered.close()
    with contextlib.suppress(OSError):
        return metered.group.remove()
    return False


def _number(descriptor: int) -> int:
    return int(os.pread(descriptor, 64, 0))
