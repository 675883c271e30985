"""One run in one worker: its output, its limits, how it ended."""

import asyncio
import contextlib
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydantic_monty as monty

from adapters.monty.crossing import TAKE_APART, put_together
from adapters.monty.source import Prepared
from host.errors import AdapterError
from host.interface import Emit, OutputEvent
from host.models import ExecutionRequest, ExecutionResult, Status, Usage
from host.policy import Policy
from host.values import ValueFormatError, dumps

__all__ = ["FILE", "Output", "Run"]

FILE = "program.py"
"""The file name that the program has in tracebacks."""

_SIGNAL = re.compile(r"\(signal: \d+ \((SIG[A-Z0-9]+)\)")
_TIME_LIMIT = re.compile(r"(feed|turn|sleep) (time )?limit exceeded")
_GRACE_S = 0.5


class Output:
    """What the program writes, up to the policy's limit; past it the worker is killed. Called from monty's threads."""

    def __init__(self, budget: int, emit: Emit, kill: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._budget = budget
        self._emit = emit
        self._kill = kill
        self._closed = False
        self.overflowed = False
        self.used = 0
        self.text: dict[str, list[str]] = {"stdout": [], "stderr": []}

    def __call__(self, stream: str, text: str) -> None:
        """Take a piece of output."""
        with self._lock:
            if self._closed or self.overflowed:
                return
            data = text.encode("utf-8", "replace")
            if self.used + len(data) > self._budget:
                self.overflowed = True
                text = data[: self._budget - self.used].decode("utf-8", "ignore")
                data = text.encode("utf-8", "replace")
            self.used += len(data)
            if text:
                self.text[stream].append(text)
                self._loop.call_soon_threadsafe(
                    self._emit, OutputEvent("stderr" if stream == "stderr" else "stdout", text)
                )
        if self.overflowed:
            self._kill()

    def close(self) -> None:
        """Take nothing more."""
        with self._lock:
            self._closed = True


class Run:
    """One program in a session of its own. It runs in a thread; ``stop`` and ``expire`` may come from any other.

    Args:
        request: what to run.
        policy: what applies to it.
        emit: takes the output as it comes, on the event loop that the run is made on.
    """

    def __init__(self, request: ExecutionRequest, policy: Policy, emit: Emit) -> None:
        self._request = request
        self._policy = policy
        self._session: Any = None
        self._lock = threading.Lock()
        self._pid: int | None = None
        self._stopped = False
        self._expired = False
        self._clock = time.perf_counter()
        self._output = Output(policy.max_output_bytes, emit, self._kill)
        self._meter: _Meter | None = None

    @property
    def pid(self) -> int | None:
        """The worker, while the program runs."""
        return self._pid

    @property
    def stopped(self) -> bool:
        """Whether ``stop`` was called."""
        return self._stopped

    def stop(self) -> None:
        """End the program at once, or see to it that it never starts."""
        self._stopped = True
        self._output.close()
        self._kill()

    def to_end(self, pool: Any, prepared: Prepared, inputs: dict[str, Any], limits: dict[str, Any]) -> ExecutionResult:
        """Run the program in a fresh session and ask for its value. Blocks.

        Raises:
            AdapterError: the worker failed, not the program.
        """
        try:
            with pool.checkout(
                script_name=FILE, limits=limits, assert_message_annotations=False, os_policy={"sleep": "zero"}
            ) as session:
                return self._in_session(session, prepared, inputs)
        except (OSError, RuntimeError) as error:  # TimeoutError is an OSError: no worker came free
            why = f"no monty worker could be had: {error}"
            raise AdapterError(why, retryable=True, may_have_started=False) from error
        except monty.MontyError as error:  # lost as the session began or ended
            raise AdapterError(f"the monty worker was lost: {error}") from error

    def _in_session(self, session: Any, prepared: Prepared, inputs: dict[str, Any]) -> ExecutionResult:
        with self._lock:
            self._session = session
            self._pid = session.worker_pid
        self._meter = _Meter(session.worker_pid)
        self._clock = time.perf_counter()
        backstop = threading.Timer(self._policy.max_execution_time / 1000 + _GRACE_S, self._expire)
        backstop.daemon = True
        backstop.start()
        try:
            if self._stopped:
                raise AdapterError("the run was stopped before it began.", may_have_started=False)
            return self._program(prepared, inputs)
        finally:
            backstop.cancel()
            with self._lock:
                self._pid = None

    def _program(self, prepared: Prepared, inputs: dict[str, Any]) -> ExecutionResult:
        try:
            self._session.feed_run(prepared.code, inputs=inputs, print_callback=self._output)
            value = self._value(prepared)
        except monty.MontyError as error:
            return self._failed(error)
        except ValueFormatError as error:
            why = f"ValueFormatError: the value of the program cannot be returned: {error}"
            return self._result(Status.FAILED, why, exit_code=1)
        return self._with_value(value)

    def _expire(self) -> None:
        """The backstop for what monty's own clock does not see: a worker that no longer answers."""
        self._expired = True
        self._kill()

    def _kill(self) -> None:
        with self._lock, contextlib.suppress(ProcessLookupError):
            if self._pid is not None:
                os.kill(self._pid, signal.SIGKILL)

    def _value(self, prepared: Prepared) -> Any:
        for expression in prepared.expressions:
            code = TAKE_APART.replace("{expression}", expression)
            try:
                return put_together(self._session.feed_run(code))
            except monty.MontyRuntimeError as error:
                if not isinstance(error.exception(), NameError):
                    raise
        return None

    def _with_value(self, value: Any) -> ExecutionResult:
        size = self._output.used + (len(dumps(value)) if value is not None else 0)
        if self._output.overflowed or size > self._policy.max_output_bytes:
            return self._result(Status.OUTPUT_LIMIT, self._too_much(), truncated=True)
        return self._result(Status.SUCCEEDED, "", value=value, output_bytes=size)

    def _failed(self, error: monty.MontyError) -> ExecutionResult:
        if self._output.overflowed:
            return self._result(Status.OUTPUT_LIMIT, self._too_much(), truncated=True)
        if isinstance(error, monty.MontyCrashedError):
            return self._crashed(error)
        inner = error.exception()
        message = str(inner)
        late = self._elapsed_ms() >= self._limit_ms() * 0.9  # the program may raise the same error, but not so late
        if isinstance(inner, TimeoutError) and _TIME_LIMIT.match(message) and late:
            return self._result(Status.TIMED_OUT, self._time_is_up())
        if isinstance(inner, MemoryError):
            reason = f"The program used up its {self._policy.max_memory_mb} MiB of memory."
            return self._result(Status.OUT_OF_MEMORY, reason)
        if isinstance(inner, NotImplementedError) and "monty syntax parser" in message:
            raise AdapterError(f"monty cannot run this program: {message}", may_have_started=False)
        if "Internal error in monty" in message:
            raise AdapterError(f"monty failed: {message}")
        self._output("stderr", _traceback(error, self._request.code))
        frames = error.traceback() if hasattr(error, "traceback") else []
        where = f" (line {frames[-1].line})" if frames else ""
        return self._result(Status.FAILED, _said(error) + where, exit_code=1)

    def _crashed(self, error: Any) -> ExecutionResult:
        if error.timed_out or self._expired:
            return self._result(Status.TIMED_OUT, self._time_is_up())
        found = _SIGNAL.search(str(error))
        if found is None:
            raise AdapterError(f"the monty worker was lost: {error}")
        return self._result(Status.KILLED, f"The worker was ended by {found[1]}.", signal=found[1])

    def _result(self, status: Status, reason: str, *, output_bytes: int | None = None, **more: Any) -> ExecutionResult:
        self._output.close()
        usage = Usage(
            wall_ms=self._elapsed_ms(),
            cpu_ms=self._meter.cpu_ms() if self._meter else None,
            peak_memory_bytes=self._meter.peak_memory_bytes() if self._meter else None,
            output_bytes=self._output.used if output_bytes is None else output_bytes,
        )
        return ExecutionResult(
            id=self._request.id,
            status=status,
            reason=reason,
            stdout="".join(self._output.text["stdout"]),
            stderr="".join(self._output.text["stderr"]),
            may_have_started=True,
            usage=usage,
            language=self._request.language,
            policy=self._policy.name,
            **more,
        )

    def _elapsed_ms(self) -> float:
        return (time.perf_counter() - self._clock) * 1000

    def _limit_ms(self) -> int:
        return min(self._policy.max_execution_time, self._policy.max_cpu_time)

    def _time_is_up(self) -> str:
        if self._policy.max_cpu_time < self._policy.max_execution_time:
            return f"The program used up its {self._policy.max_cpu_time} ms of CPU time."
        return f"The program used up its {self._policy.max_execution_time} ms."

    def _too_much(self) -> str:
        return f"The program wrote more than the {self._policy.max_output_bytes} bytes that its policy lets out."


class _Meter:
    """CPU time and peak memory of a worker, from /proc where there is one."""

    def __init__(self, pid: int) -> None:
        self._proc = Path("/proc") / str(pid)
        with contextlib.suppress(OSError):
            (self._proc / "clear_refs").write_text("5")  # the peak counts from here
        self._before = self._cpu_ns()

    def cpu_ms(self) -> float | None:
        """What this run used, or None where it cannot be told (a killed worker, no /proc)."""
        now = self._cpu_ns()
        return None if now is None or self._before is None else max(now - self._before, 0) / 1e6

    def peak_memory_bytes(self) -> int | None:
        """The largest resident size since the run began."""
        with contextlib.suppress(OSError, ValueError):
            for line in (self._proc / "status").read_text("ascii", "replace").splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        return None

    def _cpu_ns(self) -> int | None:
        try:
            tasks = list((self._proc / "task").iterdir())
            return sum(int((task / "schedstat").read_text("ascii").split()[0]) for task in tasks) if tasks else None
        except (OSError, ValueError, IndexError):
            return None


def _said(error: monty.MontyError) -> str:
    if isinstance(error, monty.MontyRuntimeError):
        return error.display(format="type-msg")
    inner = error.exception()
    return f"{type(inner).__name__}: {inner}"


def _traceback(error: monty.MontyError, code: str) -> str:
    """The traceback as CPython prints it, with the caller's own lines."""
    lines = code.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    text = ["Traceback (most recent call last):"]
    for frame in error.traceback() if hasattr(error, "traceback") else []:
        text.append(f'  File "{FILE}", line {frame.line}, in {frame.function_name or "<module>"}')
        if 0 < frame.line <= len(lines):
            text.append(f"    {lines[frame.line - 1].strip()}")
    return "\n".join([*text, _said(error), ""])
