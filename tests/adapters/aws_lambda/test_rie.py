"""The real package under AWS's own runtime interface emulator: a second opinion on the handler.

There the emulator itself is a process of the function's user, and has the credentials in its environment.
"""

import asyncio
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from adapters.aws.prices import Prices
from adapters.aws_lambda.functions import Function
from adapters.aws_lambda.inside import domain
from adapters.aws_lambda.package import HANDLER
from adapters.aws_lambda.runs import Far, Runs
from adapters.aws_lambda.settings import LambdaSettings
from adapters.guest.catalogue import guests
from adapters.runner.results import judged
from host.interface import discard
from host.models import ExecutionRequest, ExecutionResult, File, Status
from host.policy import FileSystemAccess, Policy
from host.testing import missing
from tests.adapters.aws_lambda.packages import found, zipped
from tests.emulators.lambda_runtime import CANARIES
from tests.emulators.rie import Rie

pytestmark = pytest.mark.engine
LANGUAGES = ("python", "bash", "sql", "javascript", "typescript")
PROGRAMS = {
    "python": "print('hello')\nresult = 6 * 7",
    "bash": "echo hello; result=42",
    "sql": "SELECT 42",
    "javascript": "console.log('hello'); result = 42",
    "typescript": "const answer: number = 42; console.log('hello'); result = answer",
}
POLICY = Policy(name="rie", allowed_imports=None, file_system_access=FileSystemAccess.SANDBOXED)


class _Through:
    """Stands for ``Calls``: an invocation goes to the emulator, which knows no AWS API."""

    def __init__(self, rie: Rie) -> None:
        self._rie = rie
        self.clients = self
        self.region = "us-east-1"

    async def once(self, service: str, operation: str, params: dict, *, finish: Callable, **_: Any) -> Any:
        assert (service, operation) == ("lambda", "invoke")
        answer = await asyncio.to_thread(self._rie.invoke, json.loads(params["Payload"]))
        return finish({"Payload": io.BytesIO(json.dumps(answer).encode())})


@pytest.fixture
def under_rie(found_here) -> Iterator[Callable[..., tuple[Rie, Callable[..., ExecutionResult]]]]:
    """Starts the emulator with the package of a language; gives it, and what runs programs in it."""
    started: list[Rie] = []

    def start(language: str) -> tuple[Rie, Callable[..., ExecutionResult]]:
        if found(language, found_here) is None:
            missing(f"there is no package for {language} on this machine")
        rie = Rie(zipped(language, found_here), HANDLER, timeout_s=30, memory_mb=1024).__enter__()
        started.append(rie)
        guest = {each.language: each for each in guests(found_here)}[language]
        function = Function.read(language, {"FunctionName": "function", "Runtime": "python3.13", "MemorySize": 1024})
        runs = Runs(_Through(rie), LambdaSettings(), Prices.read())

        def run(code: str, **given: Any) -> ExecutionResult:
            request = ExecutionRequest(code=code, language=language, **given)
            ended, priced = asyncio.run(runs.run(Far(guest, function), request, POLICY, discard, ""))
            return judged(request, POLICY, ended, priced)

        return rie, run

    yield start
    for rie in started:
        rie.__exit__()


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_runs(under_rie, language) -> None:
    """The package of each language runs a program, and the same again in the environment that was used."""
    _, run = under_rie(language)
    for _ in range(2):
        result = run(PROGRAMS[language])
        assert result.status is Status.SUCCEEDED, result
        assert "42" in str(result.value)


def test_it_is_left_clean(under_rie) -> None:
    """Files go in and out, and neither a file nor a daemon is left for the next program."""
    rie, run = under_rie("python")
    code = "import os, time\nopen('out', 'w').write(open('in').read())\nopen('/tmp/left', 'w').close()\n"
    code += "if os.fork() == 0:\n    os.setsid()\n    os.fork()\n    time.sleep(600)\nresult = 1"
    result = run(code, files=(File(path="in", content=b"data"),))
    assert [(file.path, file.content) for file in result.files] == [("out", b"data")]
    assert list(rie.temporary.iterdir()) == []
    assert len(rie.processes()) == 2
    assert run("import os; result = os.listdir('/tmp')").value == ["work"]


def test_the_emulator_itself_is_out_of_reach(under_rie) -> None:
    """A process of the same user that is no program's, as Lambda's own first process is, is neither read nor signalled.

    Its environment has the credentials; what keeps them is Landlock, where the kernel has it.
    """
    rie, run = under_rie("python")
    code = """
import os
def tells(attempt):
    try:
        return attempt() or "done"
    except OSError as error:
        return type(error).__name__
pids = [pid for pid in os.listdir("/proc") if pid.isdigit() and pid != str(os.getpid())]
result = [[tells(lambda: open(f"/proc/{pid}/environ").read()), tells(lambda: open(f"/proc/{pid}/mem", "rb").close()),
           tells(lambda: os.kill(int(pid), 0))] for pid in pids]
"""
    result = run(code)
    if domain.version() < 6:
        missing("this kernel has no Landlock that keeps signals in")
    assert len(result.value) >= 4
    assert {answer for answers in result.value for answer in answers} == {"PermissionError"}
    assert not any(secret in repr(result) + rie.output() for secret in CANARIES.values())
