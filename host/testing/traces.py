"""What a run leaves behind here: processes, mounts, descriptors and files. Exact on Linux, empty elsewhere."""

import ctypes
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from host.interface import Adapter, Kept

__all__ = ["Traces", "adopt_orphans", "count_in", "descendants", "leave_out", "look", "settled"]

_PROC = Path("/proc")
_PR_SET_CHILD_SUBREAPER = 36
_LOOKS = 50
_PAUSE_S = 0.02
_PATIENCE_S = 20.0
ON_LINUX = sys.platform == "linux"
_keepers: "list[Callable[[], Kept]]" = []


@dataclass(frozen=True)
class Traces:
    """One look around.

    Attributes:
        processes: living descendants of this process, pid to command name.
        mounts: the mount table of this process.
        descriptors: how many descriptors this process holds.
        files: what is below the folders that were looked at, as paths.
    """

    processes: dict[int, str]
    mounts: frozenset[str]
    descriptors: int
    files: frozenset[str]

    def left_since(self, before: "Traces") -> list[str]:
        """What is here now that was not there before, one sentence each.

        Processes are counted, not compared: an adapter may replace one of a pool, but it may not have more than it had.
        """
        left = []
        if len(self.processes) > len(before.processes):
            new = {pid: name for pid, name in self.processes.items() if pid not in before.processes}
            left.append(f"{len(self.processes) - len(before.processes)} more processes than before: {new}")
        left += [f"mount left: {mount}" for mount in sorted(self.mounts - before.mounts)]
        left += [f"file left: {path}" for path in sorted(self.files - before.files)]
        if self.descriptors > before.descriptors:
            left.append(f"{self.descriptors - before.descriptors} more open descriptors than before")
        return left


def adopt_orphans() -> None:
    """Make this process the parent of what its descendants leave behind, so that ``descendants`` sees daemons too."""
    if ON_LINUX:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def leave_out(adapter: Adapter) -> None:
    """From now on do not count what this adapter keeps between runs."""
    kept = getattr(adapter, "kept", None)
    if kept is not None:
        _keepers.append(kept)


def count_in(adapter: Adapter) -> None:
    """The adapter is closed and keeps nothing."""
    kept = getattr(adapter, "kept", None)
    if kept in _keepers:
        _keepers.remove(kept)


def look(*folders: Path) -> Traces:
    """Look at this process and below ``folders``, but not at what adapters keep.

    An adapter may change what it keeps at any moment; a look during which it did is taken again.
    """
    kept = _kept()
    until = time.monotonic() + _PATIENCE_S
    while any(each.changing for each in kept) and time.monotonic() < until:
        time.sleep(_PAUSE_S)
        kept = _kept()
    for _ in range(_LOOKS):
        traces = _look(kept, folders)
        before, kept = kept, _kept()
        if kept == before:
            break
        time.sleep(_PAUSE_S)
    return traces


def _kept() -> list[Kept]:
    return [keeper() for keeper in _keepers]


def _look(kept: list[Kept], folders: tuple[Path, ...]) -> Traces:
    return Traces(
        processes=descendants(
            frozenset().union(*(each.processes for each in kept)), frozenset().union(*(each.trees for each in kept))
        ),
        mounts=_mounts(frozenset().union(*(each.elsewhere for each in kept))) if ON_LINUX else frozenset(),
        descriptors=_descriptors() - sum(each.descriptors for each in kept),
        files=frozenset(path for folder in folders for path in _below(folder)),
    )


def settled(before: Traces, *folders: Path, within_s: float = 2.0) -> list[str]:
    """What is left once an adapter has had ``within_s`` to replace parts of a pool; empty as soon as nothing is."""
    deadline = time.monotonic() + within_s
    while (left := look(*folders).left_since(before)) and time.monotonic() < deadline:
        time.sleep(_PAUSE_S)
    return left


def _mounts(elsewhere: frozenset[str]) -> frozenset[str]:
    """The lines of the mount table but for what others mount."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    beginnings = tuple(f"{folder}/" for folder in elsewhere)
    return frozenset(line for line in lines if not line.split()[4].startswith(beginnings))


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) if ON_LINUX else 0


def descendants(without: frozenset[int] = frozenset(), below: frozenset[int] = frozenset()) -> dict[int, str]:
    """Living processes that descend from this one, pid to command name. Zombies are dead.

    Args:
        without: processes that do not count.
        below: processes that do not count, and neither does what descends from them.
    """
    if not ON_LINUX:
        return {}
    children: dict[int, list[tuple[int, str, str]]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (seen := _stat(entry)):
            parent, name, state = seen
            children.setdefault(parent, []).append((int(entry.name), name, state))
    found: dict[int, str] = {}
    waiting = [os.getpid()]
    while waiting:
        for pid, name, state in children.get(waiting.pop(), ()):
            if pid in below:
                continue
            waiting.append(pid)
            if state not in "ZX" and pid not in without:
                found[pid] = name
    return found


def _stat(entry: Path) -> tuple[int, str, str] | None:
    try:
        text = (entry / "stat").read_text(errors="replace")
    except OSError:  # it ended meanwhile
        return None
    name, _, rest = text.partition("(")[2].rpartition(")")
    state, parent = rest.split()[:2]
    return int(parent), name, state


def _below(folder: Path) -> list[str]:
    """Paths of files and folders, links not followed."""
    found = []
    for root, folders, files in os.walk(folder):
        found += [f"{root}/{name}" for name in [*folders, *files]]
    return found
