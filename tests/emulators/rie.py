"""AWS's own Lambda runtime interface emulator around a deployment package: a second opinion beside `lambda_runtime.py`.

    with Rie(package, "handler.handle") as rie:
        rie.invoke({"n": 1})  # what was answered, read from JSON

`scripts/rie` downloads it. It knows neither FunctionError nor LogResult nor tenants: an error is an answer like any
other, with `errorType` and `errorMessage`; a timeout alone is no JSON. It listens on every address, and so it runs in a
box with a network of its own (`lambda_box.py`), as an ordinary user, with the package as /var/task.
"""

import contextlib
import functools
import http.client
import json
import platform
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from host.testing import missing
from tests.emulators.lambda_box import Box, Process, need_boxes
from tests.emulators.lambda_package import unpack
from tests.emulators.lambda_root import INTERPRETER, runtime_packages
from tests.emulators.lambda_runtime import CANARIES
from tests.emulators.trees import remove_tree

__all__ = ["Rie", "binary"]

_ROOT = Path(__file__).resolve().parents[2]
_PORT = 8080
_INVOCATIONS = "/2015-03-31/functions/function/invocations"
_TO_LISTEN_S = 30.0
_LIMITS = {"RLIMIT_NOFILE": 1024, "RLIMIT_NPROC": 1024, "RLIMIT_CORE": 0}


def binary() -> Path:
    """The emulator for this machine. Ends the test where it is missing."""
    kind = "arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64"
    path = _ROOT / ".venv" / "rie" / f"aws-lambda-rie-{kind}"
    if not path.is_file():
        missing("AWS's Lambda runtime interface emulator is not here: run scripts/rie")
    return path


class Rie:
    """The emulator with one function; a context manager."""

    def __init__(
        self,
        package: bytes,
        handler: str,
        *,
        timeout_s: int = 3,
        memory_mb: int = 128,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start nothing yet. Ends the test on a machine where this can't run."""
        self._emulator = binary()
        need_boxes()
        self._package, self._handler, self._timeout_s = package, handler, timeout_s
        self._variables = {
            "AWS_LAMBDA_FUNCTION_NAME": "function",
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout_s),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb),
            "AWS_REGION": "us-east-1",
            "LAMBDA_TASK_ROOT": "/var/task",
            "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": "/var/runtime",
            **CANARIES,
            **(environment or {}),
        }

    def __enter__(self) -> "Rie":
        self._state = Path(tempfile.mkdtemp(prefix="understudy-rie-"))
        self._state.chmod(0o755)
        unpack(self._package, self._state / "code")
        self._box = Box(
            ["/var/rapid/aws-lambda-rie", INTERPRETER, "-m", "awslambdaric", self._handler],
            environment=self._variables,
            shown=[
                (self._state / "code", "/var/task"),
                (self._emulator, "/var/rapid/aws-lambda-rie"),
                *runtime_packages(),
            ],
            folder="/var/task",
            network=True,
            limits=_LIMITS,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._box.close()
        remove_tree(self._state)

    @property
    def temporary(self) -> Path:
        """The folder that the function has as /tmp."""
        return self._box.temporary

    def processes(self) -> list[Process]:
        """All that runs: the emulator, the runtime, and what invocations left behind."""
        return self._box.processes()

    def output(self) -> str:
        """What all of them have written so far."""
        return self._box.output().decode(errors="replace")

    def invoke(self, event: Any) -> Any:
        """Invoke the function once.

        Raises:
            RuntimeError: the emulator gave no answer, or one that is no JSON: the function timed out.
        """
        connect = functools.partial(self._box.connect, _PORT, _TO_LISTEN_S + self._timeout_s)
        again = threading.Event()
        for _ in range(int(_TO_LISTEN_S * 100)):
            with contextlib.suppress(ConnectionRefusedError), contextlib.closing(connect()) as connection:
                return self._asked(connection, event)
            if self._box.ended.is_set():
                break
            again.wait(0.01)
        raise RuntimeError(f"the runtime interface emulator does not answer: {self.output()}")

    def _asked(self, connection: Any, event: Any) -> Any:
        http_connection = http.client.HTTPConnection("localhost")
        http_connection.sock = connection
        http_connection.request("POST", _INVOCATIONS, json.dumps(event))
        answer = http_connection.getresponse().read().decode()
        try:
            return json.loads(answer)
        except ValueError as error:
            raise RuntimeError(answer) from error
