"""Build the seccomp filter: a classic BPF program, as the kernel takes it, from tables of names.

No libseccomp: the program is a binary search over runs of system-call numbers that are treated alike, with a few checks
of single arguments at its leaves.
"""

import errno
import platform
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from adapters.sandbox.syscalls import ABSENT, ALLOWED, NUMBERS

__all__ = ["ARCHITECTURES", "Check", "UnknownArchitecture", "build"]

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""machine to AUDIT_ARCH, the value that the kernel shows to a filter."""

_LAST_KNOWN = 462
"""The last number of the tables. What is above is newer than this file and absent for the program."""

_X32 = 0x40000000
_LOAD, _JUMP, _JUMP_EQUAL, _JUMP_NOT_LESS, _JUMP_BITS, _RETURN = 0x20, 0x05, 0x15, 0x35, 0x45, 0x06
_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_ERRNO = 0x00050000
_NAMESPACES = 0x7E020000  # CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_AF_UNIX = 1
_PR_SET_SECCOMP = 22

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
    """

    argument: int
    values: tuple[int, ...]
    allow_listed: bool
    error: int
    bits: bool = False


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


@cache
def build(machine: str | None = None) -> bytes:
    """The filter for ``machine`` (this one by default), ready for the kernel.

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
    program += _search(_runs(machine))
    if len(program) > 4096:
        raise ValueError(f"the filter has {len(program)} instructions, the kernel takes 4096")
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)


def _action(name: str | None) -> _Action:
    if name in ALLOWED:
        return _ALLOW
    if name in ABSENT:
        return _ERRNO | errno.ENOSYS
    if name == "flock":
        return _ERRNO | errno.ENOLCK
    return CHECKED.get(name, _ERRNO | errno.EPERM) if name else _ERRNO | errno.EPERM


def _runs(machine: str) -> list[tuple[int, _Action]]:
    """Pairs of first number and action; each holds up to the next pair's first number."""
    names = {number: name for name, number in NUMBERS[machine].items()}
    runs: list[tuple[int, _Action]] = []
    for number in range(_LAST_KNOWN + 1):
        action = _action(names.get(number))
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
    refuse = _ERRNO | action.error
    listed, other = (_ALLOW, refuse) if action.allow_listed else (refuse, _ALLOW)
    compare = _JUMP_BITS if action.bits else _JUMP_EQUAL
    count = len(action.values)
    # The low half of an argument comes first: both architectures are little-endian.
    tests = [(compare, count - place, 0, value) for place, value in enumerate(action.values)]
    return [(_LOAD, 0, 0, 16 + 8 * action.argument), *tests, (_RETURN, 0, 0, other), (_RETURN, 0, 0, listed)]
