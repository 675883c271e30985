"""The least that a fresh sandbox for each run can be: what the kernel alone charges for isolation.

Bubblewrap starts this program. It forks a few processes; each of them, for a given time, does nothing but clone into
new user, process, mount and ipc namespaces, mount a fresh tmpfs there, execute ``1 + 1`` and wait for the end. No
limits, no system-call filter, no inputs, no value, no records: whoever does these too can only be slower, and the
benchmarks say by how much.

``prototype.py SECONDS PROCESSES PROC`` prints how many runs there were; PROC is a descriptor of the machine's /proc.
"""

import _ctypes
import datetime
import decimal
import gc
import json
import os
import sys
import time

# ctypes has all of this, but every page that an import touches is one more to copy at each clone.
_CLONE = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
_NEW_NAMESPACES = 0x00020000 | 0x08000000 | 0x10000000 | 0x20000000  # mount, ipc, user, process
_SIGCHLD = 17
_NOSUID_NODEV = 2 | 4
_READY = (json, decimal, datetime)  # what programs usually want is loaded before the first clone


class _Long(_ctypes._SimpleCData):  # type: ignore[type-arg]  # noqa: SLF001
    _type_ = "l"


class _Function(_ctypes.CFuncPtr):
    _flags_ = _ctypes.FUNCFLAG_CDECL
    _restype_ = _Long


def _function(name: str) -> _Function:
    return _Function(_ctypes.dlsym(_ctypes.dlopen(None, 0), name))  # type: ignore[arg-type]


_system_call = _function("syscall")
_mount = _function("mount")


def clone() -> int:
    """A process in new namespaces: its id here, and 0 in it."""
    arguments = (_CLONE, _NEW_NAMESPACES | _SIGCHLD, 0, 0, 0, 0)
    return int(_system_call(*map(_Long, arguments)))


def be_sandboxed(proc: int) -> None:
    """In the cloned process: map the user, mount a tmpfs, run, end."""
    code = 1
    try:
        for name, text in (("setgroups", b"deny"), ("uid_map", b"1000 1000 1"), ("gid_map", b"1000 1000 1")):
            place = os.open("self/" + name, os.O_WRONLY, dir_fd=proc)
            os.write(place, text)
            os.close(place)
        if _mount(b"tmpfs", b"/tmp", b"tmpfs", _Long(_NOSUID_NODEV), b"size=1000000,nr_inodes=100,mode=700") != 0:
            raise OSError("the tmpfs cannot be mounted")
        exec("1 + 1", {})
        code = 0
    except BaseException as error:  # noqa: BLE001 - told, and this process ends
        os.write(2, repr(error).encode() + b"\n")
    finally:
        os._exit(code)


def work(until: float, proc: int) -> int:
    """Run after run until the time is over; how many there were."""
    count = 0
    while time.monotonic() < until:
        child = clone()
        if child == 0:
            be_sandboxed(proc)
        if child < 0 or os.waitpid(child, 0)[1] != 0:
            raise OSError("a run failed")
        count += 1
    return count


def main() -> None:
    """Fork the workers and add up what they did."""
    seconds, processes, proc = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    gc.freeze()
    reading, writing = os.pipe()
    until = time.monotonic() + seconds
    for _ in range(processes):
        if os.fork() == 0:
            os.write(writing, b"%d\n" % work(until, proc))
            os._exit(0)
    os.close(writing)
    for _ in range(processes):
        os.wait()
    with os.fdopen(reading) as counts:
        print(json.dumps([int(line) for line in counts]))


if __name__ == "__main__":
    main()
