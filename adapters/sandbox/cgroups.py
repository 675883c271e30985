"""Control groups, version 1 and 2: memory, processes and CPU time of one run, held and counted by the kernel."""

import contextlib
import errno
import hashlib
import itertools
import os
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Cgroups", "Counts", "Group", "NoCgroups", "children", "find_cgroups", "owner_tag", "remove_leftovers"]

_CONTROLLERS_V1 = ("memory", "pids", "cpuacct")
_PREFIX = "understudy-"


@dataclass(frozen=True, slots=True)
class NoCgroups:
    """Why no control group can be made here, and what would change that."""

    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Counts:
    """What a group has used so far. None where the kernel does not say."""

    cpu_ms: float | None
    peak_memory_bytes: int | None
    out_of_memory: bool


class Group:
    """The control group of one run: one folder (version 2) or one for each controller (version 1)."""

    def __init__(self, version: int, folders: Sequence[Path]) -> None:
        self._version = version
        self._folders = tuple(folders)

    @property
    def folders(self) -> tuple[Path, ...]:
        """Its folders, in the order of the controllers."""
        return self._folders

    def limit(self, memory_bytes: int, processes: int) -> None:
        """Set the limits. Swap counts as memory.

        Raises:
            OSError: the kernel refuses.
        """
        if self._version == 2:
            folder = self._folders[0]
            _write(folder / "memory.max", memory_bytes)
            with contextlib.suppress(FileNotFoundError):  # a kernel without swap accounting
                _write(folder / "memory.swap.max", 0)
            _write(folder / "memory.oom.group", 1)
            _write(folder / "pids.max", processes)
            return
        for folder in self._folders:
            if (folder / "memory.limit_in_bytes").exists():
                with contextlib.suppress(OSError):  # to raise the two, this one first; to lower them, the other
                    _write(folder / "memory.memsw.limit_in_bytes", memory_bytes)
                _write(folder / "memory.limit_in_bytes", memory_bytes)
                with contextlib.suppress(FileNotFoundError):
                    _write(folder / "memory.memsw.limit_in_bytes", memory_bytes)
            elif (folder / "pids.max").exists():
                _write(folder / "pids.max", processes)

    def around(self) -> AbstractContextManager[None]:
        """Where the kernel lets a single thread move (version 1), in it this thread starts its children in the group.

        Moving a process from outside costs ten milliseconds and more, because the kernel waits until nobody forks; a
        thread that moves itself waits for nobody.
        """
        return contextlib.nullcontext() if self._version == 2 else _Inside(self._folders)

    def take_in(self, launcher: int) -> None:
        """Move in a launcher and the children that it has by now, unless they are in already.

        Raises:
            OSError: the kernel refuses.
        """
        for listed in ([launcher], children(launcher)):
            for pid in set(listed) - set(self.processes()):
                for folder in self._folders:
                    with contextlib.suppress(ProcessLookupError):
                        _write(folder / "cgroup.procs", pid)

    def has_all(self, launcher: int) -> bool:
        """Whether a launcher and its children are in it."""
        return {launcher, *children(launcher)} <= set(self.processes())

    def counts(self) -> Counts:
        """What it has used so far."""
        if self._version == 2:
            folder = self._folders[0]
            cpu = _field(folder / "cpu.stat", "usage_usec")
            killed = _field(folder / "memory.events", "oom_kill")
            return Counts(None if cpu is None else cpu / 1e3, _number(folder / "memory.peak"), bool(killed))
        cpu = peak = killed = None
        for folder in self._folders:
            cpu = _number(folder / "cpuacct.usage") if cpu is None else cpu
            peak = _number(folder / "memory.max_usage_in_bytes") if peak is None else peak
            killed = _field(folder / "memory.oom_control", "oom_kill") if killed is None else killed
        return Counts(None if cpu is None else cpu / 1e6, peak, bool(killed))

    def processes(self) -> list[int]:
        """The processes in it, as this process sees their ids."""
        found: set[int] = set()
        for folder in self._folders:
            with contextlib.suppress(FileNotFoundError):
                found.update(int(line) for line in (folder / "cgroup.procs").read_text().split())
        return sorted(found)

    def remove(self) -> bool:
        """Give it back. False while something in it still lives."""
        done = True
        for folder in self._folders:
            try:
                folder.rmdir()
            except FileNotFoundError:
                continue
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                done = False
        return done


class _Inside(AbstractContextManager[None]):
    """The thread that enters is in the groups meanwhile. It is made where /sys can be seen."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._doors = [(_open(folder / "tasks"), _open(folder.parent / "tasks")) for folder in folders]

    def __enter__(self) -> None:
        for inside, _ in self._doors:
            os.write(inside, b"0")

    def __exit__(self, *error: object) -> None:
        for inside, outside in self._doors:
            os.write(outside, b"0")
            os.close(inside)
            os.close(outside)


class Cgroups:
    """A place where control groups can be made.

    Attributes:
        version: 1 or 2.
        parents: the folders in which a group's folders are made.
    """

    def __init__(self, version: int, parents: Sequence[Path], owner: str) -> None:
        self.version = version
        self.parents = tuple(parents)
        self._prefix = f"{_PREFIX}{owner_tag(owner)}-"
        self._numbers = itertools.count(1)

    def create(self) -> Group:
        """A new, empty group.

        Raises:
            OSError: the kernel refuses.
        """
        name = f"{self._prefix}{os.getpid()}-{next(self._numbers)}"
        made: list[Path] = []
        try:
            for parent in self.parents:
                (parent / name).mkdir()
                made.append(parent / name)
        except OSError:
            Group(self.version, made).remove()
            raise
        return Group(self.version, made)


def owner_tag(owner: str) -> str:
    """The owner's id as a short name that is fit for a folder."""
    return hashlib.sha256(owner.encode()).hexdigest()[:12]


def remove_leftovers(parents: Iterable[Path], owner: str) -> int:
    """Remove the groups that a dead owner left. What is in them still is killed first."""
    removed = 0
    for parent in parents:
        for folder in parent.glob(f"{_PREFIX}{owner_tag(owner)}-*"):
            group = Group(2, [folder])
            for pid in group.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, 9)
            with contextlib.suppress(OSError):
                removed += group.remove()
    return removed


def find_cgroups(mode: str, owner: str) -> Cgroups | NoCgroups:
    """Look for a place where groups with memory, processes and CPU time can be made, and try one.

    Args:
        mode: ``auto``, ``off``, or a folder of the unified hierarchy that this host may use.
        owner: the host's id.
    """
    if mode == "off":
        return NoCgroups("switched off by adapters.sandbox.cgroup", 'set adapters.sandbox.cgroup to "auto"')
    mounts = _mounts()
    own = _own_groups()
    found: Cgroups | NoCgroups
    if mode != "auto":
        found = _unified(Path(mode), owner, may_move=False)
    elif all(name in mounts and name in own for name in _CONTROLLERS_V1):
        found = Cgroups(1, [_below(mounts[name], own[name]) for name in _CONTROLLERS_V1], owner)
    elif "" in mounts and "" in own:
        found = _unified(_below(mounts[""], own[""]), owner, may_move=True)
    else:
        return NoCgroups("no control groups with memory and pids are mounted", "mount cgroup2 on /sys/fs/cgroup")
    return _tried(found) if isinstance(found, Cgroups) else found


def _tried(cgroups: Cgroups) -> Cgroups | NoCgroups:
    try:
        group = cgroups.create()
        try:
            group.limit(64 << 20, 16)
        finally:
            group.remove()
    except OSError as error:
        return NoCgroups(
            f"control groups (version {cgroups.version}) cannot be made in {cgroups.parents[0]}: {error.strerror}",
            "run the host as root, or delegated: systemd-run --user --scope -p Delegate=yes understudy serve",
        )
    return cgroups


def _unified(folder: Path, owner: str, *, may_move: bool) -> Cgroups | NoCgroups:
    """Version 2: a group may hold processes or groups with controllers, so a host that is alone in its group moves
    down.
    """
    remedy = "run the host in a delegated group: systemd-run --user --scope -p Delegate=yes understudy serve"
    try:
        offered = set((folder / "cgroup.controllers").read_text().split())
        if missing := {"memory", "pids"} - offered:
            return NoCgroups(f"{folder} offers no {' and no '.join(sorted(missing))} controller", remedy)
        if {"memory", "pids"} - set((folder / "cgroup.subtree_control").read_text().split()):
            if may_move:
                _move_down(folder)
            _write(folder / "cgroup.subtree_control", "+memory +pids")
    except OSError as error:
        return NoCgroups(f"{folder} cannot be used: {error.strerror}", remedy)
    return Cgroups(2, [folder], owner)


def _move_down(folder: Path) -> None:
    """Move this host into a group below its own, if nobody else is in there."""
    inside = {int(line) for line in (folder / "cgroup.procs").read_text().split()}
    if inside == {os.getpid()}:
        below = folder / "host"
        below.mkdir(exist_ok=True)
        _write(below / "cgroup.procs", os.getpid())


def _mounts() -> dict[str, tuple[Path, str]]:
    """Controller ("" for the unified hierarchy) to its mount point and the part of the hierarchy that it shows."""
    found: dict[str, tuple[Path, str]] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        root, point = left.split()[3:5]
        kind, _, options = right.split(maxsplit=2)
        if kind == "cgroup2":
            found.setdefault("", (Path(point), root))
        elif kind == "cgroup":
            for name in options.split(","):
                found.setdefault(name, (Path(point), root))
    return found


def _own_groups() -> dict[str, str]:
    """Controller ("" for the unified hierarchy) to this process's group."""
    found: dict[str, str] = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        found.update(dict.fromkeys(names.split(","), path))
    return found


def _below(mount: tuple[Path, str], group: str) -> Path:
    point, root = mount
    relative = os.path.relpath(group, root)
    return point if relative == "." or relative.startswith("..") else point / relative


def children(pid: int) -> list[int]:
    """The children of all threads of a process.

    Raises:
        OSError: it is gone.
    """
    found: list[int] = []
    for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - fifty times a second
        with open(f"/proc/{pid}/task/{task}/children") as lines:  # noqa: PTH123
            found += [int(child) for child in lines.read().split()]
    return found


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CLOEXEC)


def _write(path: Path, value: int | str) -> None:
    descriptor = _open(path)
    try:
        os.write(descriptor, str(value).encode())
    finally:
        os.close(descriptor)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _field(path: Path, name: str) -> int | None:
    try:
        for line in path.read_text().splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return int(value)
    except (OSError, ValueError):
        return None
    return None
