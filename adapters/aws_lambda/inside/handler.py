"""What Lambda calls: each invocation is one program, run by a runner that is new each time.

All processes of an execution environment are one user's, and the environment serves again and again. So this process,
which holds the credentials of the function's role and speaks with Lambda, shuts itself off from what it starts; and
after each program it ends whatever is left of it and empties what it may have written to. Where that fails the
environment serves no more: this process ends itself, and Lambda replaces it.

The event is ``{"v": 1, "setup": ..., "job": ...}``: the argument of the runner as text and its job as JSON, or, in
place of ``job``, ``packed``: the same compressed and in base64. The answer is ``{"v": 1, "answer": ...}``, the runner's
line of text, or ``error`` in its place (``version``, ``late``, ``large``), and:

=============== ===================================================================================================
environment     which execution environment it was, as a random name
cold            whether it was the first program of it
billed_ms       about what Lambda charges for
domain          the version of Landlock that keeps programs to themselves, 0 where the kernel has none
=============== ===================================================================================================

Runs in Lambda: standard library only, Python 3.9 to 3.15.
"""

from __future__ import annotations

import base64
import json
import math
import os
import select
import sys
import time
import zlib
from importlib import import_module
from typing import Any

_HERE = os.path.dirname(os.path.abspath(__file__))
_RUNNER = _HERE + "/guest/runner"
sys.path[:0] = [_HERE, _RUNNER]
kernel: Any = import_module("kernel")
tree: Any = import_module("tree")
domain: Any = import_module("domain")
emptied: Any = import_module("emptied")
neighbours: Any = import_module("neighbours")
del sys.path[:2]

UNCLEAN = 86
"""The exit code with which an environment ends that cannot be cleaned."""

_VERSION = 1
_COMMAND = (sys.executable, "-I", "-S", "-X", "utf8", "-u", _RUNNER + "/main.py")
_WRITABLE = ("/tmp", "/dev/shm", "/var/tmp")
_RESERVE_S = 1.0  # of the function's time, for ending and emptying
_GRACE_S = 5.0  # past the program's own deadline, which the runner holds
_MOST_BYTES = 6_290_000  # of a line; Lambda takes 6,291,556 of all
_CHUNK = 1 << 16
_FIRST_TO_CLOSE = 3
_MOST_DESCRIPTORS = 4096


class _Environment:
    """This execution environment.

    Attributes:
        name: a random one.
        count: how many programs it has run.
    """

    def __init__(self) -> None:
        kernel.hide()
        kernel.adopt_orphans()
        neighbours.end_strays(kernel.pidfd_open)  # of a handler before this one, that was killed in the middle of a run
        self.name = os.urandom(8).hex()
        self.count = 0
        self.domain = domain.version()
        self._folders = [emptied.Folder(path) for path in _WRITABLE if os.path.isdir(path)]
        self._variables = _own_libraries()
        self._born = _age_s()

    def begin(self, setup: dict[str, Any]) -> None:
        """Make room for a program."""
        self.count += 1
        self._empty()
        for path in (*setup["folders"], setup["work"]):
            os.makedirs(path, mode=0o700, exist_ok=True)

    def run(self, setup: str, job: bytes, limit_s: float) -> dict[str, str]:
        """The runner's line, or why there is none."""
        runner, line = self._start(setup, job)
        try:
            return _listen(line, limit_s)
        finally:
            os.close(line)
            os.kill(runner, 9)
            tree.end_all()

    def end(self) -> None:
        """Leave nothing to the next program. Where that cannot be done there is none."""
        self._empty()
        if tree.descendants() or neighbours.strays():
            _give_up("a process of the program is left")

    def billed_ms(self, spent_s: float) -> int:
        """What Lambda charges for: the start of the environment too, where it was the first invocation."""
        return math.ceil((spent_s + (self._born if self.count == 1 else 0)) * 1000)

    def _empty(self) -> None:
        for folder in self._folders:
            if left := folder.empty():
                _give_up(f"{len(left)} entries of {folder.path} cannot be removed")

    def _start(self, setup: str, job: bytes) -> tuple[int, int]:
        """Start a runner: its process, and where its line comes from."""
        reading, writing = os.pipe()
        given = _holding(job)
        runner = os.fork()
        if runner == 0:
            try:
                os.setsid()
                kernel.die_with_parent()
                domain.enter()
                os.dup2(given, 0)
                os.dup2(writing, 1)
                os.dup2(os.open("/dev/null", os.O_WRONLY), 2)
                os.closerange(_FIRST_TO_CLOSE, _MOST_DESCRIPTORS)
                os.execve(_COMMAND[0], [*_COMMAND, setup], self._variables)
            finally:
                os._exit(127)
        os.close(writing)
        os.close(given)
        return runner, reading


def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """One invocation."""
    began = time.monotonic()
    if not isinstance(event, dict) or event.get("v") != _VERSION:
        return {"v": _VERSION, "error": "version"}
    job = _job_of(event)
    left_s = context.get_remaining_time_in_millis() / 1000 - _RESERVE_S
    limit_s = min(left_s, json.loads(job)["deadline_ms"] / 1000 + _GRACE_S)
    _environment.begin(json.loads(event["setup"]))
    answer = _environment.run(event["setup"], len(job).to_bytes(8, "big") + job, limit_s)
    _environment.end()
    return {
        "v": _VERSION,
        **answer,
        "environment": _environment.name,
        "cold": _environment.count == 1,
        "billed_ms": _environment.billed_ms(time.monotonic() - began),
        "domain": _environment.domain,
    }


def _job_of(event: dict[str, Any]) -> bytes:
    if "packed" in event:
        return zlib.decompress(base64.b64decode(event["packed"]))
    return json.dumps(event["job"], separators=(",", ":")).encode("ascii")


def _listen(line: int, limit_s: float) -> dict[str, str]:
    """What the runner says until it has no more to say, or takes too long."""
    until = time.monotonic() + limit_s
    said = bytearray()
    ready = select.poll()
    ready.register(line, select.POLLIN)
    while True:
        left_s = until - time.monotonic()
        if left_s <= 0 or not ready.poll(left_s * 1000):
            return {"error": "late"}
        piece = os.read(line, _CHUNK)
        if not piece:
            return {"answer": said.decode("ascii", "replace")}
        said += piece
        if len(said) > _MOST_BYTES:
            return {"error": "large"}


def _holding(content: bytes) -> int:
    """A descriptor from which ``content`` can be read, and then nothing more."""
    descriptor = os.memfd_create("job")
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _own_libraries() -> dict[str, str]:
    """Where the interpreter's own library is, which the loader may not find by itself."""
    with open("/proc/self/maps") as maps:
        for line in maps:
            folder, _, name = line.split()[-1].rpartition("/")
            if name.startswith("libpython"):
                return {"LD_LIBRARY_PATH": folder}
    return {}


def _age_s() -> float:
    """How long ago this process started."""
    with open("/proc/self/stat", "rb") as file:
        ticks = int(file.read().rpartition(b")")[2].split()[19])
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))


def _give_up(reason: str) -> None:
    """End this environment: it cannot be made as it was."""
    os.write(2, f"understudy: {reason}, so this environment ends\n".encode())
    os._exit(UNCLEAN)


_environment = _Environment()
