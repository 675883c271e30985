"""What a guest costs that is ready and waits: memory, each page counted in the share that this process has of it."""

import ctypes
import os
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.leftovers import below

__all__ = ["measure"]

_KCMP = {"x86_64": 312, "aarch64": 272}
_SAME_MEMORY = 1
_WARM_UP_CONNECTIONS = 8


async def measure(bench: Bench) -> dict[str, Any]:
    """Idle guests of the service after some load, and the memory of their pools: guests, what they are forked from,
    and bubblewrap.
    """
    await bench.service.load(min(_WARM_UP_CONNECTIONS, max(bench.effort.concurrency)), bench.effort.window_s)
    outside = _level(os.getpid())
    inside = [pid for pid in below(bench.service.pid) if _level(pid) > outside or _name(pid) == "bwrap"]
    guests = {_namespace(pid) for pid in inside if _level(pid) >= outside + 2} - {""}
    if not guests:
        bench.absent["idle guests"] = "no guest waits: they are switched off, or not there yet"
        return {}
    try:
        total = sum(_share_bytes(pid) for pid in _one_for_each_memory(inside))
    except PermissionError:
        bench.absent["idle guests"] = "they hide their memory from everybody but root"
        return {}
    return {"guests": len(guests), "pool_bytes": total, "each_mib": round(total / len(guests) / (1 << 20), 2)}


def _level(pid: int) -> int:
    """How many process namespaces it is in, one inside the other; 0 where it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((len(line.split()) - 1 for line in status.splitlines() if line.startswith("NSpid:")), 0)


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""


def _share_bytes(pid: int) -> int:
    """Its proportional set size; 0 where it is gone."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) << 10 for line in rollup.splitlines() if line.startswith("Pss:"))


def _one_for_each_memory(pids: list[int]) -> list[int]:
    """Processes without those that share all of their memory with one before them, as a thread does."""
    call = ctypes.CDLL(None).syscall
    number = _KCMP.get(os.uname().machine)
    kept: list[int] = []
    for pid in pids:
        if number is None or all(call(number, pid, other, _SAME_MEMORY, 0, 0) != 0 for other in kept):
            kept.append(pid)
    return kept
