"""The conformance suite on the adapter ``lambda``, against an emulated Lambda with the real packages.

The emulator is a process of its own that is started when the suite is collected and ends with the test session.
"""

import atexit
import contextlib
import functools
import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from adapters.aws_lambda.adapter import LambdaAdapter
from host.interface import AdapterContext, Kept
from host.testing import AdapterConformance
from host.testing.traces import leave_out

__all__ = ["EmulatedLambda", "Served", "TestLambda", "served"]


class Served:
    """The emulator, as the tests see it.

    Attributes:
        environment: what points boto3 at it.
    """

    def __init__(self) -> None:
        self._state = tempfile.TemporaryDirectory(prefix="understudy-served-")
        program = [sys.executable, str(Path(__file__).with_name("served.py")), self._state.name]
        self._process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._lock = threading.Lock()
        self.environment: dict[str, str] = json.loads(self._process.stdout.readline())
        atexit.register(self._close)
        self._port = urlsplit(self.environment["AWS_ENDPOINT_URL_LAMBDA"]).port

    def look(self) -> list[dict[str, Any]]:
        """What is in its execution environments."""
        with self._lock:
            self._process.stdin.write("look\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

    def kept(self) -> Kept:
        """What stands for AWS does not count as left behind: the emulator, and connections to it that are kept open."""
        return Kept(trees=frozenset({self._process.pid}), descriptors=self._connections())

    def _close(self) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._state.cleanup()

    def _connections(self) -> int:
        count = 0
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                    with socket.fromfd(int(name), socket.AF_INET, socket.SOCK_STREAM) as each:
                        count += each.getpeername()[1:] == (self._port,)
        return count


@functools.cache
def served() -> Served:
    """The one of this test session."""
    made = Served()
    leave_out(made)
    return made


@contextlib.contextmanager
def _pointed_at_it() -> Iterator[None]:
    """The environment in which a client is made; nobody else's is to go to the emulator."""
    before = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    for name in before:
        del os.environ[name]
    os.environ.update(served().environment)
    try:
        yield
    finally:
        for name in served().environment:
            os.environ.pop(name, None)
        os.environ.update(before)


class EmulatedLambda(LambdaAdapter):
    """The adapter, started where boto3 finds the emulator."""

    async def start(self, context: AdapterContext) -> None:
        """Start; the clients are made by its first look."""
        with _pointed_at_it():
            await super().start(context)


class TestLambda(AdapterConformance):
    """The adapter lambda: functions of AWS Lambda."""

    @classmethod
    def make_adapter(cls) -> LambdaAdapter:
        """A new one."""
        return EmulatedLambda()
