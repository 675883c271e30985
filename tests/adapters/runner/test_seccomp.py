"""The filter, run in a small interpreter of the kernel's language, for both architectures."""

import errno
import struct

import pytest

from adapters.runner import seccomp
from adapters.runner.syscalls import ABSENT, ALLOWED, NUMBERS

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
MACHINES = sorted(seccomp.ARCHITECTURES)


def decide(program: bytes, architecture: int, number: int, *arguments: int) -> int:
    """What the kernel would do with one call."""
    data = struct.pack(
        "<iIQ6Q",
        number - (1 << 32) if number >= 1 << 31 else number,
        architecture,
        0,
        *arguments,
        *[0] * (6 - len(arguments)),
    )
    code = list(struct.iter_unpack("<HBBI", program))
    place = accumulator = 0
    while True:
        operation, if_true, if_false, k = code[place]
        place += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, k)
        elif operation == 0x06:
            return k
        elif operation == 0x05:
            place += k
        else:
            holds = {0x15: accumulator == k, 0x35: accumulator >= k, 0x45: bool(accumulator & k)}[operation]
            place += if_true if holds else if_false


def on(machine: str, name: str, *arguments: int) -> int:
    return decide(seccomp.build(machine), seccomp.ARCHITECTURES[machine], NUMBERS[machine][name], *arguments)


@pytest.mark.parametrize("machine", MACHINES)
def test_every_number_gets_what_its_name_says(machine):
    """Allowed names are allowed, absent ones are absent, every other number up to the last known one is refused."""
    names = {number: name for name, number in NUMBERS[machine].items()}
    program = seccomp.build(machine)
    for number in range(1000):
        said = decide(program, seccomp.ARCHITECTURES[machine], number)
        name = names.get(number)
        if name in ALLOWED:
            assert said == ALLOW, name
        elif name in ABSENT or number > 462:
            assert said == ERRNO | errno.ENOSYS, (name, number)
        elif name not in seccomp.CHECKED:
            assert said in (ERRNO | errno.EPERM, ERRNO | errno.ENOLCK), (name, number)


@pytest.mark.parametrize("machine", MACHINES)
def test_other_architectures_are_killed(machine):
    """A call under any other architecture's table ends the program; on x86_64 the x32 numbers do too."""
    program = seccomp.build(machine)
    for architecture in (0x40000003, 0x40000028, 0xC00000F3, *seccomp.ARCHITECTURES.values()):
        if architecture != seccomp.ARCHITECTURES[machine]:
            assert decide(program, architecture, 1) == KILL
    if machine == "x86_64":
        assert decide(program, seccomp.ARCHITECTURES[machine], 0x40000000) == KILL
        assert decide(program, seccomp.ARCHITECTURES[machine], 0xFFFFFFFF) == KILL


@pytest.mark.parametrize("machine", MACHINES)
def test_arguments(machine):
    """Each check looks at its own argument, and at no more than the kernel does."""
    refused = ERRNO | errno.EPERM
    assert on(machine, "clone", 17) == ALLOW
    assert on(machine, "clone", 0x3D0F00) == ALLOW  # a thread
    for bit in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert on(machine, "clone", bit | 17) == refused
    assert on(machine, "socket", 1, 1, 0) == ALLOW
    assert on(machine, "socket", (1 << 32) | 2, 1, 0) == ERRNO | errno.EAFNOSUPPORT
    assert on(machine, "socketpair", 40) == ERRNO | errno.EAFNOSUPPORT
    assert on(machine, "ioctl", 0, 0x5401) == ALLOW
    assert on(machine, "ioctl", 0, 0x5412) == refused
    assert on(machine, "ioctl", 0, (7 << 32) | 0x5412) == refused
    assert on(machine, "prlimit64", 0, 7) == ALLOW
    assert on(machine, "prlimit64", 1, 7) == refused
    assert on(machine, "prctl", 22) == refused
    assert on(machine, "prctl", 15) == ALLOW
    assert on(machine, "personality", 0xFFFFFFFF) == ALLOW
    assert on(machine, "personality", 0x40000) == refused


def test_unknown_architecture():
    """A machine without a table is named."""
    with pytest.raises(seccomp.UnknownArchitecture, match="riscv64"):
        seccomp.build("riscv64")


def test_both_tables_have_the_calls_that_matter():
    """Every allowed name has a number somewhere, and the generic names have one on both."""
    both = set(NUMBERS["x86_64"]) & set(NUMBERS["aarch64"])
    assert set(NUMBERS["x86_64"]) | set(NUMBERS["aarch64"]) >= ALLOWED
    assert {"clone", "clone3", "socket", "ioctl", "prlimit64", "prctl", "execve", "openat", "flock"} <= both
    assert NUMBERS["x86_64"]["execve"] == 59
    assert NUMBERS["aarch64"]["execve"] == 221
