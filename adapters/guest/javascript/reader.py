"""The host's end of the worker that reads JavaScript: asks, waits for a bounded time, and does without an answer."""

import atexit
import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from typing import Any

from adapters.guest.javascript.facts import UNKNOWN
from host.shut_in import BOOT, LENGTH

__all__ = ["ShapeReader"]

_START_S = 30.0
_ANSWER_S = 1.0
_KEPT = 512
_KEPT_CHARACTERS = 8192  # of code; longer code comes seldom and would fill the memory
_CALL = "from adapters.guest.javascript.worker import serve; serve()"


class ShapeReader:
    """The shapes of programs and commands, from one worker for all who ask, one after the other.

    The worker is started when first needed. Where it dies of what it reads, or takes too long, the shape is unknown and
    the guest finds out by trying; the next one to ask gets a new worker.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._worker: subprocess.Popen[bytes] | None = None
        self._known: OrderedDict[tuple[str, str, bool], dict[str, Any]] = OrderedDict()
        atexit.register(self.close)

    def read(self, code: str, language: str, *, is_command: bool = False) -> dict[str, Any]:
        """The shape of ``code``: of a program, or of a command of a session. May be called from any thread."""
        key = (code, language, is_command)
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
            try:
                facts, retires = self._ask(list(key))
            except (OSError, EOFError, TimeoutError):
                self._end()
                return {**UNKNOWN}
            if retires:
                self._end()
            if len(code) <= _KEPT_CHARACTERS:
                self._known[key] = facts
                if len(self._known) > _KEPT:
                    self._known.popitem(last=False)
            return facts

    def close(self) -> None:
        """End the worker; whoever asks again gets a new one."""
        with self._lock:
            self._end()

    def _ask(self, request: list[Any]) -> tuple[dict[str, Any], bool]:
        worker = self._started()
        body = json.dumps(request).encode()
        _write(worker, LENGTH.pack(len(body)) + body, time.monotonic() + _ANSWER_S)
        facts, retires = json.loads(_read(worker, time.monotonic() + _ANSWER_S))
        return facts, retires

    def _started(self) -> subprocess.Popen[bytes]:
        if self._worker is None:
            command = [sys.executable, "-I", "-S", "-c", BOOT + _CALL, json.dumps(sys.path)]
            pipe = subprocess.PIPE
            self._worker = subprocess.Popen(command, stdin=pipe, stdout=pipe, env={}, cwd="/", bufsize=0)
            _read(self._worker, time.monotonic() + _START_S)
        return self._worker

    def _end(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.kill()
            for stream in (worker.stdin, worker.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
            worker.wait()


def _read(worker: subprocess.Popen[bytes], until: float) -> bytes:
    """The next frame.

    Raises:
        TimeoutError: it has not come in time.
        EOFError: the worker is dead.
    """
    (length,) = LENGTH.unpack(_read_exactly(worker, LENGTH.size, until))
    return _read_exactly(worker, length, until)


def _read_exactly(worker: subprocess.Popen[bytes], count: int, until: float) -> bytes:
    chunks = []
    while count:
        _wait_for(worker.stdout, select.POLLIN, until)
        chunk = os.read(_number(worker.stdout), count)
        if not chunk:
            raise EOFError("the worker is dead")
        chunks.append(chunk)
        count -= len(chunk)
    return b"".join(chunks)


def _write(worker: subprocess.Popen[bytes], data: bytes, until: float) -> None:
    rest = memoryview(data)
    while rest:
        _wait_for(worker.stdin, select.POLLOUT, until)
        rest = rest[os.write(_number(worker.stdin), rest[: select.PIPE_BUF]) :]


def _wait_for(stream: Any, event: int, until: float) -> None:
    poll = select.poll()
    poll.register(_number(stream), event)
    if not poll.poll(max(until - time.monotonic(), 0) * 1000):
        raise TimeoutError("the worker does not answer in time")


def _number(stream: Any) -> int:
    if stream is None:
        raise EOFError("the worker has no pipes")
    return int(stream.fileno())
