"""The other processes of an execution environment: which of them come from a program.

Those are known by the filter that the runner puts on them, which nothing takes off again.

Runs in Lambda: standard library only, Python 3.9 to 3.15.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from contextlib import suppress

_SIGKILL = 9
_LONGEST_S = 2.0


class StillThere(Exception):
    """A process of a program cannot be ended."""


def strays() -> list[int]:
    """Processes that come from a program."""
    own = _filters("self")
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and _filters(name) > own]


def end_strays(handle_of: Callable[[int], int]) -> None:
    """End them all.

    Args:
        handle_of: gives a handle of a process, which can be polled for its end.

    Raises:
        StillThere: one does not end.
    """
    while left := strays():
        for pid in left:
            _end(pid, handle_of)


def _end(pid: int, handle_of: Callable[[int], int]) -> None:
    with suppress(ProcessLookupError):  # it has ended meanwhile
        handle = handle_of(pid)
        try:
            os.kill(pid, _SIGKILL)
            if not select.select([handle], [], [], _LONGEST_S)[0]:
                raise StillThere(str(pid))
        finally:
            os.close(handle)


def _filters(name: str) -> int:
    """How many filters a process has; 0 where it has ended meanwhile."""
    mode = 0
    with suppress(OSError), open(f"/proc/{name}/status", "rb") as status:
        for line in status:
            if line.startswith(b"Seccomp_filters:"):
                return int(line.split()[1])
            if line.startswith(b"Seccomp:"):  # before Linux 5.9 there is no count
                mode = int(line.split()[1])
    return mode
