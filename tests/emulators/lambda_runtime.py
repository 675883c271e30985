"""Execution environments of Lambda: the real runtime client around a real deployment package, one invocation at a time.

`python3.*` functions run under the `awslambdaric` that is installed here and on this interpreter, whichever version
they name; `provided.*` ones run their `bootstrap`. What an environment is shut in with stands in `lambda_box.py`.
"""

import json
import signal
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.emulators.lambda_api import Invocation, RuntimeApi
from tests.emulators.lambda_box import Box, Process
from tests.emulators.lambda_root import INTERPRETER, runtime_packages

__all__ = ["CANARIES", "Answer", "Environment", "Settings"]

CANARIES = {
    "AWS_ACCESS_KEY_ID": "ASIACANARYCANARY0001",
    "AWS_SECRET_ACCESS_KEY": "canary/secret+of/the/role/0002",
    "AWS_SESSION_TOKEN": "canary-session-token-of-the-role-0003",
}
"""The credentials of the function's role, as every environment has them: what a guest must not find."""

INIT_LIMIT_S = 30.0
"""Lambda gives 10 s; a machine with many tests under way may need longer."""
_LIMITS = {"RLIMIT_NOFILE": 1024, "RLIMIT_NPROC": 1024, "RLIMIT_CORE": 0}
_SETTLE_S = 2.0


@dataclass(frozen=True)
class Settings:
    """What an environment needs to know of its function."""

    name: str
    handler: str
    code: Path
    runtime: str = "python{}.{}".format(*sys.version_info)
    timeout_s: float = 3
    memory_mb: int = 128
    environment: Mapping[str, str] = field(default_factory=dict)
    region: str = "us-east-1"
    arn: str = "arn:aws:lambda:us-east-1:123456789012:function:function"
    version: str = "$LATEST"


@dataclass(frozen=True)
class Answer:
    """What came of an invocation: the payload, ``Unhandled`` where it is an error, the log of this invocation."""

    payload: bytes
    error: str | None
    log: bytes


class Environment:
    """One execution environment; it serves one invocation at a time and is kept for the next.

    Attributes:
        tenant: the one tenant that it serves, where the function isolates tenants.
        invocations: how many it has served or serves.
        busy: whether it serves one now.
        retired: whether it serves none after this one.
    """

    def __init__(self, settings: Settings, tenant: str | None = None) -> None:
        """Start the runtime; it initialises while the first invocation is on its way.

        Raises:
            BoxUnavailable: no environment can be made on this machine.
        """
        self.settings = settings
        self.tenant = tenant
        self.invocations = 0
        self.busy = False
        self.retired = False
        self._started = time.monotonic()
        self._api = RuntimeApi()
        try:
            self._box = Box(
                self._program(),
                environment=self._variables(),
                shown=[(settings.code, "/var/task"), *runtime_packages()],
                folder="/var/task",
                limits=_LIMITS,
                hostname="169-254-100-5",
            )
        except BaseException:
            self._api.close()
            raise
        threading.Thread(target=self._wake, name="environment", daemon=True).start()

    def _program(self) -> list[str]:
        if self.settings.runtime.startswith("provided"):
            return ["/var/task/bootstrap"]
        return [INTERPRETER, "-m", "awslambdaric", self.settings.handler]

    def _variables(self) -> dict[str, str]:
        settings = self.settings
        return {
            "AWS_DEFAULT_REGION": settings.region,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{settings.runtime}",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(settings.memory_mb),
            "AWS_LAMBDA_FUNCTION_NAME": settings.name,
            "AWS_LAMBDA_FUNCTION_VERSION": settings.version,
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{settings.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": f"2026/11/21/[{settings.version}]{id(self):032x}",
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
            "AWS_REGION": settings.region,
            "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
            "AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129:2000",
            "LAMBDA_RUNTIME_DIR": "/var/runtime",
            "LAMBDA_TASK_ROOT": "/var/task",
            "LANG": "en_US.UTF-8",
            "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/task:/var/task/lib:/opt/lib",
            "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
            "PYTHONPATH": "/var/runtime",
            "TZ": ":UTC",
            "_HANDLER": settings.handler,
            **CANARIES,
            **settings.environment,
        }

    @property
    def alive(self) -> bool:
        """Whether its runtime still runs, and came up."""
        return not self._box.ended.is_set() and self._api.trouble is None

    @property
    def address(self) -> str:
        """Where its Runtime API listens."""
        return self._api.address

    @property
    def polls(self) -> int:
        """How often somebody in it has asked for the next invocation."""
        return self._api.polls

    @property
    def temporary(self) -> Path:
        """The folder that it has as /tmp."""
        return self._box.temporary

    @property
    def runtime(self) -> Process:
        """The process of its runtime."""
        return self.processes()[0]

    def processes(self) -> list[Process]:
        """All that runs in it, its runtime first."""
        return self._box.processes()

    def strays(self) -> list[Process]:
        """What runs in it beside its runtime: between two invocations that is what the last one left behind."""
        return self.processes()[1:]

    def output(self) -> bytes:
        """All that was written in it so far."""
        return self._box.output()

    def invoke(self, invocation: Invocation) -> Answer:
        """Run one invocation to its end. An environment that timed out or whose runtime ended is closed."""
        self.invocations += 1
        said = len(self._box.output()) if self.invocations > 1 else 0
        if not self._initialised():
            return self._without_runtime(invocation, said)
        begun = time.monotonic()
        invocation.arn = self.settings.arn
        invocation.deadline = time.time() + self.settings.timeout_s
        self._api.offer(invocation)
        with self._api.changed:
            self._api.changed.wait_for(
                lambda: invocation.answered.is_set() or self._box.ended.is_set(), self.settings.timeout_s
            )
        if invocation.answered.is_set():
            self._settle(begun)
        elif self._box.ended.is_set():
            invocation.resolve(self._exit_error(invocation.id), failed=True)
        else:
            invocation.resolve(self._timed_out(invocation.id), failed=True)
            self.close()
        return self._answer(invocation, said, time.monotonic() - begun)

    def close(self) -> None:
        """Kill all that runs in it."""
        self._box.close()
        self._api.close()

    def _wake(self) -> None:
        """Whoever waits for the runtime must hear that it has ended."""
        self._box.ended.wait()
        with self._api.changed:
            self._api.changed.notify_all()

    def _initialised(self) -> bool:
        """Wait until the runtime asks for its first invocation."""
        with self._api.changed:
            self._api.changed.wait_for(
                lambda: self._api.polls > 0 or self._api.trouble is not None or self._box.ended.is_set(), INIT_LIMIT_S
            )
        return self._api.polls > 0 and self.alive

    def _without_runtime(self, invocation: Invocation, said: int) -> Answer:
        if self._api.trouble is not None:
            error = json.dumps({**json.loads(self._api.trouble), "requestId": invocation.id}).encode()
        elif self._box.ended.is_set():
            error = self._exit_error(invocation.id)
        else:
            error = self._timed_out(invocation.id)
        invocation.resolve(error, failed=True)
        self._box.close()
        answer = self._answer(invocation, said, time.monotonic() - self._started)
        self._api.close()
        return answer

    def _settle(self, begun: float) -> None:
        """Wait until the runtime asks for more or is gone: the next invocation is to find it in its place."""
        left = min(_SETTLE_S, self.settings.timeout_s - (time.monotonic() - begun))
        with self._api.changed:
            self._api.changed.wait_for(lambda: self._api.waiting or self._box.ended.is_set(), max(left, 0))

    def _exit_error(self, request_id: str) -> bytes:
        ending = self._box.ending
        name = (signal.strsignal(ending.signal) or "").lower() if ending.signal else ""
        how = f"signal: {name}" if name else f"exit status {ending.code}"
        text = f"Runtime exited with error: {how}" if ending.code else "Runtime exited without providing a reason"
        error = {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: {request_id} Error: {text}"}
        return json.dumps(error).encode()

    def _timed_out(self, request_id: str) -> bytes:
        text = f"RequestId: {request_id} Error: Task timed out after {self.settings.timeout_s:.2f} seconds"
        return json.dumps({"errorType": "Sandbox.Timedout", "errorMessage": text}).encode()

    def _answer(self, invocation: Invocation, said: int, seconds: float) -> Answer:
        ms = seconds * 1000
        report = [
            f"REPORT RequestId: {invocation.id}",
            f"Duration: {ms:.2f} ms",
            f"Billed Duration: {int(ms) + 1} ms",
            f"Memory Size: {self.settings.memory_mb} MB",
        ]
        log = b"START RequestId: %b Version: %b\n%bEND RequestId: %b\n%b\t\n" % (
            invocation.id.encode(),
            self.settings.version.encode(),
            self._box.output()[said:],
            invocation.id.encode(),
            "\t".join(report).encode(),
        )
        return Answer(invocation.answer or b"null", "Unhandled" if invocation.failed else None, log)
