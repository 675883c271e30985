"""Trials of what an adapter says that it enforces: for each policy field a program that tries to get past it.

A level of ``guest`` or ``wall`` is a promise that no program does. ``advice`` and ``none`` promise nothing, and a trial
says nothing about them.
"""

# ruff: noqa: E501 - programs are data, and read better unbroken

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from host.models import ExecutionRequest, ExecutionResult, Status
from host.policy import FileSystemAccess, Limits, Policy

__all__ = ["TRIALS", "Trial"]

_ENDED = (Status.KILLED, Status.OUT_OF_MEMORY, Status.FAILED, Status.TIMED_OUT)


@dataclass(frozen=True, slots=True)
class Trial:
    """An attempt, in Python, to get past one policy field.

    Attributes:
        policy_field: which.
        code: what tries.
        held: whether a result shows that it was held.
        limits: what the policy gives, below the suite's.
        policy: other fields of the policy.
    """

    policy_field: str
    code: str
    held: Callable[[ExecutionResult], bool]
    limits: Mapping[str, Any] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.policy_field

    def under(self, policy: Policy) -> Policy:
        """The policy of the trial."""
        return policy.model_copy(update=dict(self.policy)).tighten(Limits(**self.limits))

    def request(self, policy: str) -> ExecutionRequest:
        """The request that tries."""
        return ExecutionRequest(code=self.code, policy=policy)


def _at_most(most: int) -> Callable[[ExecutionResult], bool]:
    """The program counts what it got; or it was ended for it."""
    return lambda result: result.status in _ENDED or (isinstance(result.value, int) and result.value <= most)


def _refused(result: ExecutionResult) -> bool:
    """The program reports each way that it tried, and all were refused."""
    return result.status is not Status.SUCCEEDED or (
        isinstance(result.value, dict) and set(result.value.values()) <= {"refused"}
    )


_TELLS = """
def tells(action):
    try:
        action()
    except Exception:
        return "refused"
    return "open"
"""

_CONNECT = (
    _TELLS
    + """
import socket
def udp():
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53))
result = {
    "tcp": tells(lambda: socket.create_connection(("127.0.0.1", 9), timeout=1)),
    "udp": tells(udp),
    "udp over IPv6": tells(lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b"x", ("2001:db8::1", 53))),
    "names": tells(lambda: socket.getaddrinfo("example.com", 80)),
    "raw": tells(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)),
}
"""
)

TRIALS = (
    Trial(
        "max_execution_time",
        "import time\nwhile True:\n    try:\n        time.sleep(60)\n    except BaseException:\n        pass",
        lambda result: result.status is Status.TIMED_OUT,
        limits={"max_execution_time": 700},
    ),
    Trial(
        "max_cpu_time",
        "import os\nfor _ in range(3):\n    if os.fork() == 0:\n        break\nwhile True:\n    pass",
        lambda result: result.status is Status.TIMED_OUT and "cpu" in result.reason.lower(),
        limits={"max_cpu_time": 700},
    ),
    Trial(
        "max_memory_mb",
        "import os, time\nfor _ in range(4):\n    if os.fork() == 0:\n        block = bytearray(48 << 20)\n"
        "        for place in range(0, len(block), 4096):\n            block[place] = 1\n        time.sleep(60)\ntime.sleep(60)",
        lambda result: result.status is Status.OUT_OF_MEMORY,
        limits={"max_memory_mb": 96},
    ),
    Trial(
        "max_processes",
        "import os, time\nstarted = 1\ntry:\n    while started < 200:\n        if os.fork() == 0:\n            os.setsid()\n"
        "            time.sleep(60)\n        started += 1\nexcept OSError:\n    pass\nresult = started",
        _at_most(12),
        limits={"max_processes": 12},
    ),
    Trial(
        "max_output_bytes",
        "import os\nwhile True:\n    os.write(1, b'x' * 4096)\n    os.write(2, b'y' * 4096)",
        lambda result: (
            result.status is Status.OUTPUT_LIMIT and len(result.stdout.encode()) + len(result.stderr.encode()) <= 30_000
        ),
        limits={"max_output_bytes": 30_000},
    ),
    Trial(
        "max_file_bytes",
        "import os, time\nwritten = 0\ntry:\n    for number in range(64):\n        with open(f'f{number}', 'wb', buffering=0) as file:\n"
        "            written += file.write(bytes(1 << 18))\nexcept OSError:\n    pass\ntime.sleep(1)\nresult = written",
        _at_most(2 << 20),
        limits={"max_file_bytes": 2 << 20},
    ),
    Trial(
        "max_files",
        "import os\nmade = 0\ntry:\n    for number in range(400):\n        os.mkdir(f'd{number}')\n        made += 1\n"
        "except OSError:\n    pass\nresult = made",
        _at_most(30),
        limits={"max_files": 30},
    ),
    Trial(
        "allowed_imports",
        "import sys\nresult = {'import': 'open' if __import__('sock' + 'et') else 'refused'}",
        _refused,
        policy={"allowed_imports": ("math", "sys")},
    ),
    Trial("network_access", _CONNECT, _refused),
    Trial("egress_allow", _CONNECT, _refused),
    Trial(
        "file_system_access",
        _TELLS
        + """
import os
def write(path):
    with open(path, "wb", buffering=0) as file:
        file.write(b"x")
places = ["x", "/work/x", "/tmp/x", "/dev/shm/x", "/var/tmp/x", "/x", "/guest/x", os.path.expanduser("~/x")]
result = {place: tells(lambda: write(place)) for place in places}
""",
        _refused,
        policy={"file_system_access": FileSystemAccess.NONE},
    ),
    Trial(
        "environment",
        """
import os
seen = dict(os.environ)
for process in ("self", "1", str(os.getppid())):
    try:
        for pair in open(f"/proc/{process}/environ", "rb").read().split(b"\\0"):
            name, _, value = pair.partition(b"=")
            if name:
                seen[name.decode()] = value.decode()
    except OSError:
        pass
usual = {"GREETING", "HOME", "LANG", "LC_CTYPE", "PATH", "PWD", "TMPDIR", "MPLBACKEND", "MPLCONFIGDIR"}
result = {name: "refused" if name in usual or name.startswith("OPENBLAS") else "open" for name in seen}
""",
        _refused,
        policy={"environment": {"GREETING": "hello"}},
    ),
)
"""One for each field of ``ENFORCED_FIELDS``."""
