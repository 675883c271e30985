"""What this process holds of the machine: counted before and after, it says what was left behind."""

import gc
import os
import threading
from dataclasses import dataclass, fields
from pathlib import Path

from adapters.sandbox.cgroups import owner_tag

__all__ = ["Held", "below", "held", "helpers_bytes", "resident_bytes"]


@dataclass(frozen=True, slots=True)
class Held:
    """Counts of what a run could leave.

    Attributes:
        processes: descendants of this process, dead ones that nobody has waited for among them.
        mounts: as each thread of this process sees them.
        control_groups: folders that carry a host's label.
        descriptors: open in this process.
        threads: of this process, but for those that the event loop keeps for its own use.
        files: in the state folder and in the folder for temporary files.
        shared_memory: names in /dev/shm.
    """

    processes: int
    mounts: int
    control_groups: int
    descriptors: int
    threads: int
    files: int
    shared_memory: int

    def more_than(self, before: "Held") -> dict[str, int]:
        """By how much each count has grown; 0 where it has not."""
        return {each.name: max(getattr(self, each.name) - getattr(before, each.name), 0) for each in fields(self)}


def held(owner: str, folders: list[Path]) -> Held:
    """Count now.

    Args:
        owner: the host's id.
        folders: whose files are counted.
    """
    gc.collect()
    return Held(
        processes=len(below(os.getpid())),
        mounts=_mounts(),
        control_groups=_control_groups(owner),
        descriptors=len(os.listdir("/proc/self/fd")),
        threads=len(os.listdir("/proc/self/task")) - _executor_threads(),
        files=sum(path.is_file() for folder in folders for path in folder.rglob("*")),
        shared_memory=len(os.listdir("/dev/shm")),
    )


def below(pid: int) -> list[int]:
    """The descendants that a process has now."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        for task in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
            try:
                children = [int(child) for child in task.read_text().split()]
            except OSError:
                continue
            found += children
            waiting += children
    return found


def resident_bytes() -> int:
    """Memory of this process that is not shared with files."""
    gc.collect()
    return _private_bytes(os.getpid())


def helpers_bytes() -> dict[int, int]:
    """The same of each descendant: what sandboxes are forked from, workers, sandboxes that wait."""
    return {pid: _private_bytes(pid) for pid in below(os.getpid())}


def _private_bytes(pid: int) -> int:
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


def _executor_threads() -> int:
    return sum(thread.name.startswith("asyncio_") for thread in threading.enumerate())


def _mounts() -> int:
    """Lines of every mount namespace that a thread of this process is in."""
    seen: dict[str, int] = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            seen[os.readlink(task / "ns" / "mnt")] = len((task / "mountinfo").read_text().splitlines())
        except OSError:
            continue
    return sum(seen.values())


def _control_groups(owner: str) -> int:
    tag = owner_tag(owner)
    return sum(tag in name for _, folders, _ in os.walk("/sys/fs/cgroup") for name in folders)
