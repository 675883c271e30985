"""What goes wrong on the way or over there: what the caller gets, that no program is sent twice, what is left.

``TABLE`` is the fault table of docs/aws.md, row by row.
"""

import json
from pathlib import Path

import pytest

from adapters.aws_lambda.inside import __file__ as inside
from adapters.aws_lambda.package import HANDLER
from adapters.aws_lambda.replies import UNCLEAN
from host.errors import AdapterError
from tests.adapters.aws_lambda.packages import PREFIX
from tests.emulators import faults
from tests.emulators.lambda_package import zip_of

NO, MAYBE = "no", "may have"

TABLE = {
    "throttled (429)": (faults.throttled, "takes no more Invoke", NO, 0),
    "the account's concurrency is used up (429)": (faults.quota, "takes no more Invoke", NO, 0),
    "denied (403)": (faults.denied, "denied lambda:InvokeFunction", NO, 0),
    "expired credentials (403)": (faults.expired_credentials, "have expired", NO, 0),
    "the function is gone (404)": (
        lambda: faults.error("ResourceNotFoundException", "Function not found", status=404),
        "has not got function understudy-runner-python",
        NO,
        0,
    ),
    "the function is being changed (409)": (
        lambda: faults.error("ResourceConflictException", "An update is in progress.", status=409),
        "takes no more Invoke",
        NO,
        0,
    ),
    "the payload is too large (413)": (
        lambda: faults.error("RequestTooLargeException", "Request must be smaller", status=413),
        "larger than AWS Lambda",
        NO,
        0,
    ),
    "Lambda fails (500)": (faults.internal, "failed while it was asked", MAYBE, 0),
    "Lambda is not there (503)": (faults.unavailable, "failed while it was asked", MAYBE, 0),
    "the connection is cut before it ran": (lambda: faults.cut("before"), "connection to AWS Lambda", MAYBE, 0),
    "the connection is cut after it ran": (lambda: faults.cut("after"), "connection to AWS Lambda", MAYBE, 1),
    "the answer is cut in its middle": (lambda: faults.cut("middle"), "connection to AWS Lambda", MAYBE, 1),
}
"""By fault: what makes it, what the error says, whether it says that the program started, how often it really ran."""


@pytest.mark.parametrize("name", TABLE)
async def test_faults_on_the_way(bench, name) -> None:
    """The caller gets one error that says what is known of the program; it is sent once, and nothing is left."""
    fault, says, started, ran = TABLE[name]
    bench.account.fail("Invoke", fault(), calls=[1])
    with pytest.raises(AdapterError) as caught:
        await bench.run("6 * 7")
    assert says in caught.value.message
    assert caught.value.may_have_started is (started == MAYBE)
    assert caught.value.lost is (started == MAYBE)
    assert len(bench.account.log.calls("Invoke")) == 1
    assert sum(each.invocations for each in bench.pool().environments) == ran
    assert all(not each.strays() and not list(each.temporary.iterdir()) for each in bench.pool().environments)
    assert (await bench.run("6 * 7")).value == 42


async def test_no_answer_in_time(bench, monkeypatch) -> None:
    """A call that is not answered is given up past the program's deadline, and the error says that it goes on."""
    monkeypatch.setattr("adapters.aws_lambda.runs._MARGIN_S", 0.2)
    fault = bench.account.fail("Invoke", faults.stuck(), calls=[1])
    with pytest.raises(AdapterError, match="goes on in Lambda until its own deadline") as caught:
        await bench.run("6 * 7", max_execution_time=300)
    assert (caught.value.may_have_started, caught.value.lost) == (True, True)
    assert len(bench.account.log.calls("Invoke")) == 1
    fault.release()


async def test_nothing_listens(make_bench, monkeypatch) -> None:
    """A service that cannot be reached was sent nothing."""
    bench = await make_bench()
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", bench.account.nowhere)
    bench.adapter._calls.clients.close()
    with pytest.raises(AdapterError, match="cannot be reached") as caught:
        await bench.run("6 * 7")
    assert (caught.value.may_have_started, caught.value.lost, caught.value.retryable) == (False, False, True)


_HANDLERS = {
    "its environment cannot be cleaned": (f"import os; os._exit({UNCLEAN})", "could not be removed", MAYBE),
    "the runtime is killed": ("import os; os.kill(os.getpid(), 9)", "was lost (Runtime.ExitError)", MAYBE),
    "the handler raises": ("raise LookupError('x')", "handler of understudy-runner-python failed (LookupError)", MAYBE),
    "Lambda's own timeout": ("import time; time.sleep(60)", "at its timeout (Sandbox.Timedout)", MAYBE),
    "the handler holds no deadline": ("return {'v': 1, 'error': 'late'}", "held no deadline", MAYBE),
    "the handler is of another version": ("return {'v': 2}", "is not of this version", NO),
    "the answer is none": ("return {'v': 1}", "is no runner's answer", MAYBE),
    "the answer cannot be read": ("return {'v': 1, 'answer': 'AAAA'}", "the answer cannot be read", MAYBE),
    "the answer is empty": ("return {'v': 1, 'answer': ''}", "was lost", MAYBE),
}
"""By what happens in the function: its handler's body, what the error says, whether the program started by its word."""


def _replace(bench, source: str) -> None:
    """Put other code in the place of the function of Python, which the adapter has looked at before."""
    client = bench.account.client("lambda")
    client.update_function_code(FunctionName=f"{PREFIX}-python", ZipFile=zip_of({"handler.py": source}))
    client.update_function_configuration(FunctionName=f"{PREFIX}-python", Timeout=1)


@pytest.mark.parametrize("name", _HANDLERS)
async def test_faults_in_the_function(bench, name) -> None:
    """Whatever becomes of the function, the caller gets one error with what is known, and the program is sent once."""
    body, says, started = _HANDLERS[name]
    _replace(bench, f"def handle(event, context):\n    {body}\n")
    with pytest.raises(AdapterError) as caught:
        await bench.run("6 * 7")
    assert says in caught.value.message
    assert caught.value.may_have_started is (started == MAYBE)
    assert len(bench.account.log.calls("Invoke")) == 1


async def test_a_handler_that_cannot_start(bench) -> None:
    """A package that does not come up has run nothing, and the remedy is to deploy it anew."""
    _replace(bench, "import nothing_of_this_name\n")
    with pytest.raises(AdapterError, match=r"Runtime\.ImportModuleError") as caught:
        await bench.run("6 * 7")
    assert (caught.value.may_have_started, caught.value.lost) == (False, False)
    assert "understudy deploy lambda" in caught.value.remedy


@pytest.mark.parametrize("body", ["return 'x' * 7_000_000", "return {'v': 1, 'error': 'large'}"])
async def test_more_than_an_answer_holds(bench, body) -> None:
    """A program that puts out more than fits has reached the limit of output: that is a result."""
    _replace(bench, f"def handle(event, context):\n    {body}\n")
    result = await bench.run("6 * 7")
    assert (result.status, result.truncated, result.may_have_started) == ("output_limit", True, True)


async def test_the_function_runs_out_of_memory(bench) -> None:
    """Where Lambda itself ends the function for want of memory, the remedy is more of it."""
    error = {"errorType": "Runtime.OutOfMemory", "errorMessage": "Error: Runtime exited with error: signal: killed"}
    bench.service.invoke = lambda call: {
        "StatusCode": 200,
        "FunctionError": "Unhandled",
        "Payload": json.dumps(error).encode(),
    }
    with pytest.raises(AdapterError, match="ran out of its 1024 MB") as caught:
        await bench.run("6 * 7")
    assert "--memory" in caught.value.remedy


def test_the_exit_code_of_an_unclean_environment() -> None:
    """Host and handler mean the same exit code, though the host cannot import the handler."""
    source = Path(inside).with_name("handler.py").read_text(encoding="utf-8")
    assert f"\nUNCLEAN = {UNCLEAN}\n" in source
    assert HANDLER == "handler.handle"


def test_the_docs_have_the_fault_table() -> None:
    """Each fault that is tried here has its row in the documentation, with what it says of the program."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(Path("docs").glob("aws*.md")))
    rows = {cells[0]: cells[-1] for line in text.splitlines() if (cells := line.strip("| ").split(" | ")) and cells[2:]}
    tried = {name: started for name, (_, _, started, _) in TABLE.items()}
    tried |= {name: started for name, (_, _, started) in _HANDLERS.items()}
    assert {name: rows.get(name) for name in tried} == tried
