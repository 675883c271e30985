"""Shuts a process in that only parses: what hostile code makes of its parser there has little to reach for.

It runs as nobody where the host is root, sees no network, can open no file, start no process and use only so much
memory and time. Such a process speaks frames over its pipes: four bytes of length, big-endian, and the bytes.
"""

import contextlib
import ctypes
import math
import os
import resource
import struct
import sys
from typing import BinaryIO

__all__ = ["BOOT", "LENGTH", "has_grown", "limit_cpu", "read_frame", "shut_in", "write_frame"]

BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
"""How an interpreter without site and without an environment begins, to find its modules where its parent does."""

LENGTH = struct.Struct(">I")
"""The length of a frame, which stands before it."""

_GROWTH_KIB = 200 * 1024  # what a process inherits of its parent's peak is none of it
_NOBODY = 65534
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_peak_at_start = 0


def shut_in(memory_bytes: int, *, files: bool = False) -> None:
    """Give up what parsing does not need. What the system refuses to take is left: the limits are what must hold.

    Args:
        memory_bytes: the most address space.
        files: whether files can still be opened, for a process that is to become another program.
    """
    global _peak_at_start
    with contextlib.suppress(OSError, AttributeError):  # other systems than Linux have neither call
        libc = ctypes.CDLL(None, use_errno=True)
        libc.unshare(_CLONE_NEWNET if os.geteuid() == 0 else _CLONE_NEWUSER | _CLONE_NEWNET)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):
            os.setgroups([])
            os.setgid(_NOBODY)
            os.setuid(_NOBODY)
    with contextlib.suppress(ValueError):  # macOS knows the limit and cannot set it
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    if not files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))  # what is open stays open
    os.nice(5)  # programs that run come before programs that are only looked at
    _peak_at_start = _peak_kib()


def limit_cpu(seconds: float) -> None:
    """So much more CPU time. The deadline is the parent's; this holds even when the parent is gone."""
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used + seconds) + 1, resource.RLIM_INFINITY))


def has_grown() -> bool:
    """Whether the process has needed so much memory since it was shut in that it should be ended."""
    return _peak_kib() - _peak_at_start > _GROWTH_KIB


def read_frame(stream: BinaryIO) -> bytes | None:
    """The next frame, or None at the end."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    body = stream.read(length)
    return body if len(body) == length else None


def write_frame(stream: BinaryIO, body: bytes) -> None:
    """Write one frame, at once."""
    stream.write(LENGTH.pack(len(body)) + body)
    stream.flush()


def _peak_kib() -> int:
    """The most memory that this process has had, or its parent when it was started: the kernel passes that on."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak
