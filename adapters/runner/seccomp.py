"""Build the seccomp filter: a classic BPF program, as the kernel takes it, from tables of names.

No libseccomp: the program is a binary search over runs of system-call numbers that are treated alike, with a few checks
of single arguments at its leaves.
"""

import errno
import platform
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from adapters.runner.syscalls import ABSENT, ALLOWED, NUMBERS

__all__ = ["ARCHITECTURES", "SHIELDED", "Check", "UnknownArchitecture", "build"]

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""machine to AUDIT_ARCH, the value that the kernel shows to a filter."""

_LAST_KNOWN = 462
"""The last number of the tables. What is above is newer than this file and absent for the program."""

_X32 = 0x40000000
_LOAD, _JUMP, _JUMP_EQUAL, _JUMP_NOT_LESS, _JUMP_BITS, _RETURN = 0x20, 0x05, 0x15, 0x35, 0x45, 0x06
_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_ERRNO = 0x00050000
_NOTIFY = 0x7FC00000
_NAMESPACES = 0x7E020000  # CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_FIOSETOWN, _SIOCSPGRP = 0x8901, 0x8902
_OWNERS = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX: whom the kernel signals when a descriptor is ready, and how
_AF_UNIX = 1
_PR_SET_SECCOMP = 22
_PR_SET_DUMPABLE = 4
_O_CREAT, _O_TMPFILE = 0x40, 0x400000
_EVERYBODY = 0xFFFFFFFF

SHIELDED = (0x5AFE0001, 0x5AFE0002, 0x5AFE0003, 0x5AFE0004)
"""Stand in a shielded filter for the process ids that are known only where it is installed: the runner's and its
parent's, and the groups of both, as negative numbers."""

_Instruction = tuple[int, int, int, int]


class UnknownArchitecture(ValueError):
    """There is no table for this machine."""


@dataclass(frozen=True, slots=True)
class Check:
    """A call that is allowed or not by the low half of one argument.

    Attributes:
        argument: which, from 0.
        values: what is compared with it.
        allow_listed: whether these values are the allowed ones, or the refused ones.
        bits: compare bits (any of them set) in place of the whole.
        error: what the program gets where it is refused.
        notify: the runner decides, where it would be refused.
    """

    argument: int
    values: tuple[int, ...]
    allow_listed: bool
    error: int
    bits: bool = False
    notify: bool = False


CHECKED = {
    "clone": Check(0, (_NAMESPACES,), allow_listed=False, error=errno.EPERM, bits=True),
    "socket": Check(0, (_AF_UNIX,), allow_listed=True, error=errno.EAFNOSUPPORT),
    "socketpair": Check(0, (_AF_UNIX,), allow_listed=True, error=errno.EAFNOSUPPORT),
    "ioctl": Check(1, (_TIOCSTI, _TIOCLINUX), allow_listed=False, error=errno.EPERM),
    "prlimit64": Check(
        0, (0,), allow_listed=True, error=errno.EPERM
    ),  # its own limits only: process 1 has the same uid
    "prctl": Check(0, (_PR_SET_SECCOMP,), allow_listed=False, error=errno.EPERM),
    "personality": Check(0, (0, 0xFFFFFFFF), allow_listed=True, error=errno.EPERM),
}

_Action = int | Check

_FROZEN: dict[str, _Action] = dict.fromkeys(
    (
        "chmod",
        "fchmod",
        "fchmodat",
        "fchmodat2",
        "setxattr",
        "lsetxattr",
        "fsetxattr",
        "removexattr",
        "lremovexattr",
        "fremovexattr",
    ),
    _ERRNO | errno.EROFS,
)
"""What makes something writable that the runner has made read-only."""

_SIGNALLED = Check(0, (_EVERYBODY, *SHIELDED), allow_listed=False, error=errno.EPERM)
_SHIELD: dict[str, _Action] = {
    **dict.fromkeys(("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_open"), _SIGNALLED),
    **dict.fromkeys(("sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler"), _SIGNALLED),
    "prctl": Check(0, (_PR_SET_SECCOMP, _PR_SET_DUMPABLE), allow_listed=False, error=errno.EPERM),  # it is watched
    "pidfd_send_signal": _ERRNO | errno.EPERM,  # a folder of /proc is a handle of a process too
    "fcntl": Check(1, _OWNERS, allow_listed=False, error=errno.EPERM),
    "ioctl": Check(1, (_TIOCSTI, _TIOCLINUX, _FIOSETOWN, _SIOCSPGRP), allow_listed=False, error=errno.EPERM),
    # Both name whom they mean by two arguments, all processes of this user among them.
    **dict.fromkeys(("setpriority", "ioprio_set"), _ERRNO | errno.EPERM),
}

_COUNT: dict[str, _Action] = {
    "open": Check(1, (_O_CREAT,), allow_listed=False, error=0, bits=True, notify=True),
    "openat": Check(2, (_O_CREAT | _O_TMPFILE,), allow_listed=False, error=0, bits=True, notify=True),
    **dict.fromkeys(
        ("creat", "mkdir", "mkdirat", "mknod", "mknodat", "symlink", "symlinkat", "link", "linkat"), _NOTIFY
    ),
}
"""What makes a new name in a folder. ``openat2`` is absent behind every filter."""


@cache
def build(machine: str | None = None, *, frozen: bool = False, shielded: bool = False, counted: bool = False) -> bytes:
    """The filter for ``machine`` (this one by default), ready for the kernel.

    Args:
        machine: as ``uname -m`` has it.
        frozen: the program may not change who may write what. For a wall that cannot mount folders read-only.
        shielded: the program may not signal the processes of ``SHIELDED``, nor slow them down. For a wall in which the
            runner is an ordinary process.
        counted: the runner is asked before a file or folder is made. For a wall without a file system that counts.

    Raises:
        UnknownArchitecture: there is no table for it.
    """
    machine = machine or platform.machine()
    if machine not in ARCHITECTURES:
        raise UnknownArchitecture(
            f"no system-call table for {machine}; there is one for {', '.join(sorted(ARCHITECTURES))}"
        )
    program: list[_Instruction] = [
        (_LOAD, 0, 0, 4),
        (_JUMP_EQUAL, 1, 0, ARCHITECTURES[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
    ]
    if machine == "x86_64":
        program += [(_JUMP_NOT_LESS, 0, 1, _X32), (_RETURN, 0, 0, _KILL)]
    special = {**CHECKED, **(_FROZEN if frozen else {}), **(_SHIELD if shielded else {}), **(_COUNT if counted else {})}
    program += _search(_runs(machine, special))
    if len(program) > 4096:
        raise ValueError(f"the filter has {len(program)} instructions, the kernel takes 4096")
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)


def _action(name: str | None, special: Mapping[str, _Action]) -> _Action:
    if name is not None and name in special:
        return special[name]
    if name in ALLOWED:
        return _ALLOW
    if name in ABSENT:
        return _ERRNO | errno.ENOSYS
    if name == "flock":
        return _ERRNO | errno.ENOLCK
    return _ERRNO | errno.EPERM


def _runs(machine: str, special: Mapping[str, _Action]) -> list[tuple[int, _Action]]:
    """Pairs of first number and action; each holds up to the next pair's first number."""
    names = {number: name for name, number in NUMBERS[machine].items()}
    runs: list[tuple[int, _Action]] = []
    for number in range(_LAST_KNOWN + 1):
        action = _action(names.get(number), special)
        if not runs or runs[-1][1] != action:
            runs.append((number, action))
    return [*runs, (_LAST_KNOWN + 1, _ERRNO | errno.ENOSYS)]


def _search(runs: Sequence[tuple[int, _Action]]) -> list[_Instruction]:
    """A binary search for the run that the number in the accumulator belongs to."""
    if len(runs) == 1:
        return _leaf(runs[0][1])
    middle = len(runs) // 2
    lower, upper = _search(runs[:middle]), _search(runs[middle:])
    # A conditional jump reaches 255 instructions, an unconditional one any number.
    return [(_JUMP_NOT_LESS, 0, 1, runs[middle][0]), (_JUMP, 0, 0, len(lower)), *lower, *upper]


def _leaf(action: _Action) -> list[_Instruction]:
    if isinstance(action, int):
        return [(_RETURN, 0, 0, action)]
    refuse = _NOTIFY if action.notify else _ERRNO | action.error
    listed, other = (_ALLOW, refuse) if action.allow_listed else (refuse, _ALLOW)
    compare = _JUMP_BITS if action.bits else _JUMP_EQUAL
    count = len(action.values)
    # The low half of an argument comes first: both architectures are little-endian.
    tests = [(compare, count - place, 0, value) for place, value in enumerate(action.values)]
    return [(_LOAD, 0, 0, 16 + 8 * action.argument), *tests, (_RETURN, 0, 0, other), (_RETURN, 0, 0, listed)]
