"""The process that parses long, difficult or natively parsed code, so that hostile code can harm it and nothing else.

It is started for one language, loads its parser, shuts itself in and says so with an empty frame. Then it reads
requests on stdin until that ends, one at a time: a frame with JSON ``[cpu_seconds]`` and a frame with the code. Each is
answered on stdout with one frame of JSON: ``{"facts": ...}`` or ``{"too_complex": reason}``, and ``retires`` where it
has grown so much that it should be ended. A frame is four bytes of length and the bytes.

Shut in, it runs as nobody where the host is root, sees no network, and can open no file, start no process and use only
so much memory: a parser that is taken over by what it parses finds little to reach for.
"""

import contextlib
import ctypes
import importlib
import json
import math
import os
import resource
import struct
import sys
from typing import BinaryIO

from policies.facts import TooComplexError
from policies.readers import load, read

__all__ = ["MEMORY_BYTES", "become_bash", "serve"]

MEMORY_BYTES = 1 << 30
"""Address space of the worker. Python's parser needs some 560 bytes for each byte of dense code."""

_RETIRE_AFTER_KIB = 200 * 1024  # of growth; what a process inherits of its parent's peak is none of it
_PLAIN, _DEEP = sys.getrecursionlimit(), 20_000
_LENGTH = struct.Struct(">I")
_NOBODY = 65534
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000


def serve(language: str) -> None:
    """Answer requests until stdin ends."""
    load(language)
    if language == "sql":
        _warm_duckdb()
    _shut_in()
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))  # what is open stays open
    # From Python 3.11 on, sqlglot's own calls take no C stack; Python's parser does, so for it the limit must stay.
    sys.setrecursionlimit(_DEEP if language == "sql" else _PLAIN)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    answers.write(_LENGTH.pack(0))
    answers.flush()
    peak_at_start = _peak_kib()
    while (head := _frame(requests)) is not None and (code := _frame(requests)) is not None:
        _limit_cpu(json.loads(head)[0])
        found = _answer(code.decode("utf-8", "surrogatepass"), language)
        found["retires"] = _peak_kib() - peak_at_start > _RETIRE_AFTER_KIB
        answer = json.dumps(found).encode()
        answers.write(_LENGTH.pack(len(answer)) + answer)
        answers.flush()


def _peak_kib() -> int:
    """The most memory that this process has had, or its parent when it was started: the kernel passes that on."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def become_bash(bash: str, cpu_seconds: float) -> None:
    """Turn this process, shut in, into ``bash -n``: it parses what is on stdin and runs nothing."""
    _shut_in()
    _limit_cpu(cpu_seconds)
    os.execve(bash, [bash, "--norc", "-n"], {"LC_ALL": "C"})  # noqa: S606 - its path is found, not given


def _answer(code: str, language: str) -> dict[str, object]:
    try:
        return {"facts": read(code, language, in_worker=True)}
    except TooComplexError as error:
        return {"too_complex": str(error)}
    except (MemoryError, RecursionError):
        return {"too_complex": "parsing it takes more memory than the parser may have"}


def _shut_in() -> None:
    """Give up what parsing does not need. What the system refuses to take is left: the limits are what must hold."""
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
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    os.nice(5)  # programs that run come before programs that are only looked at


def _limit_cpu(seconds: float) -> None:
    """The deadline is the caller's; this holds even when the caller is gone."""
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used + seconds) + 1, resource.RLIM_INFINITY))


def _warm_duckdb() -> None:
    """DuckDB answers where sqlglot finds an error; it opens and starts what it needs with its first statement."""
    with contextlib.suppress(ImportError):
        importlib.import_module("duckdb").extract_statements("SELECT 1")


def _frame(stream: BinaryIO) -> bytes | None:
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    body = stream.read(length)
    return body if len(body) == length else None
