"""What goes wrong on demand, and what unmodified boto3 makes of it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import botocore.exceptions
import pytest
from botocore.exceptions import ClientError, EventStreamError
from urllib3.exceptions import ProtocolError

from tests.emulators import faults
from tests.emulators.account import Account
from tests.emulators.service import Call, Service

ONCE = {"total_max_attempts": 1}


class Functions(Service):
    """A little of Lambda."""

    name = "lambda"

    def resource(self, call: Call) -> str:
        """A function."""
        return self.account.arn("lambda", f"function:{call.input['FunctionName']}")

    def invoke(self, call: Call) -> dict:
        """Nothing."""
        return {"StatusCode": 200, "Payload": b"null"}


class Interpreter(Service):
    """A little of AgentCore: a stream of three events."""

    name = "bedrock-agentcore"

    def __init__(self) -> None:
        self.pulled = 0

    def invoke_code_interpreter(self, call: Call) -> dict:
        """Three events."""

        def events():
            for number in range(3):
                self.pulled += 1
                yield {"result": {"content": [{"type": "text", "text": str(number)}]}}

        return {"sessionId": "S", "stream": events()}


@pytest.fixture
def account():
    """An account where everything works at first."""
    with Account(Functions(), Interpreter()) as account:
        yield account
    assert account.broken == []


def _functions(account, **settings):
    return account.client("lambda", retries=ONCE, **settings)


def _interpreter(account, **settings):
    return account.client("bedrock-agentcore", **{"retries": ONCE} | settings)


def _invoke(client, name="executeCode", seen=None):
    """The events of a call, also kept in a list as they come."""
    answer = client.invoke_code_interpreter(codeInterpreterIdentifier="i", sessionId="S", name=name)
    seen = [] if seen is None else seen
    with closing(answer["stream"]) as stream:
        seen.extend(each["result"]["content"][0]["text"] for each in stream)
    return seen


@pytest.mark.parametrize(
    ("fault", "status", "code", "of_lambda"),
    [
        (faults.throttled, 429, "ThrottlingException", "TooManyRequestsException"),
        (faults.denied, 403, "AccessDeniedException", "AccessDeniedException"),
        (faults.expired_credentials, 403, "ExpiredTokenException", "ExpiredTokenException"),
        (faults.internal, 500, "InternalServerException", "ServiceException"),
        (faults.unavailable, 503, "ServiceUnavailableException", "ServiceUnavailableException"),
    ],
)
def test_refusals(account, fault, status, code, of_lambda):
    """Each refusal has the name and the status that the service's own model has, and the handler does not run."""
    account.fail("InvokeCodeInterpreter", fault())
    account.fail("Invoke", fault())
    with pytest.raises(ClientError) as caught:
        _invoke(_interpreter(account))
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    with pytest.raises(ClientError) as caught:
        _functions(account).invoke(FunctionName="f")
    assert caught.value.response["Error"]["Code"] == of_lambda
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert account.log.calls(executed=True) == []


def test_quotas(account):
    """A quota is 402 for AgentCore; Lambda answers its concurrency with 429 and the reason."""
    account.fail("InvokeCodeInterpreter", faults.quota())
    account.fail("Invoke", faults.quota())
    with pytest.raises(ClientError) as caught:
        _invoke(_interpreter(account))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 402
    with pytest.raises(ClientError) as caught:
        _functions(account).invoke(FunctionName="f")
    assert caught.value.response["Reason"] == "ConcurrentInvocationLimitExceeded"


def test_denial_names_action_and_resource(account):
    """IAM's sentence names who, the action, which for Invoke is InvokeFunction, and the resource."""
    account.fail("Invoke", faults.denied())
    with pytest.raises(ClientError) as caught:
        _functions(account).invoke(FunctionName="f")
    assert caught.value.response["Error"]["Message"].startswith(
        f"User: {account.identity.arn} is not authorized to perform: lambda:InvokeFunction "
        "on resource: arn:aws:lambda:us-east-1:123456789012:function:f"
    )


def test_only_some_calls_fail(account):
    """A fault strikes the calls that are named by their number, among those that a condition holds for."""
    chosen = account.fail(
        "InvokeCodeInterpreter", faults.internal(), calls=[2], when=lambda it: it["name"] == "getTask"
    )
    client = _interpreter(account)
    for name in ("getTask", "executeCode", "executeCode"):
        _invoke(client, name)
    assert not chosen.struck.is_set()
    with pytest.raises(ClientError):
        _invoke(client, "getTask")
    _invoke(client, "getTask")
    assert chosen.hits == 1


def test_a_fault_can_be_removed(account):
    """What was set can be taken away."""
    fault = account.fail("Invoke", faults.internal())
    client = _functions(account)
    with pytest.raises(ClientError):
        client.invoke(FunctionName="f")
    fault.remove()
    client.invoke(FunctionName="f")


@pytest.mark.parametrize(("executed", "pulled"), [(False, 2), (True, 3)])
def test_an_exception_event(account, executed, pulled):
    """After some events the stream has an exception event; the handler has run to its end only if so asked."""
    fault = faults.event_error("ThrottlingException", "later", after=2, executed=executed)
    account.fail("InvokeCodeInterpreter", fault)
    seen = []
    with pytest.raises(EventStreamError, match="later") as caught:
        _invoke(_interpreter(account), seen=seen)
    assert caught.value.response["Error"]["Code"] == "throttlingException"
    assert seen == ["0", "1"]
    assert account.services["bedrock-agentcore"].pulled == pulled


@pytest.mark.parametrize(("where", "executed"), [("before", 0), ("after", 1)])
def test_a_cut_connection(account, where, executed):
    """A connection ends without an answer, before or after the handler has run: to the client it is the same."""
    account.fail("Invoke", faults.cut(where))
    account.fail("InvokeCodeInterpreter", faults.cut(where))
    with pytest.raises(botocore.exceptions.ConnectionClosedError):
        _functions(account).invoke(FunctionName="f")
    with pytest.raises(botocore.exceptions.ConnectionClosedError):
        _invoke(_interpreter(account))
    assert len(account.log.calls(executed=True)) == 2 * executed
    assert account.services["bedrock-agentcore"].pulled == 3 * executed


def test_a_stream_that_is_cut(account):
    """A stream ends in the middle of an event: those before it have arrived. botocore lets urllib3's error through."""
    account.fail("InvokeCodeInterpreter", faults.cut("middle", after_events=1))
    seen = []
    with pytest.raises(ProtocolError):
        _invoke(_interpreter(account), seen=seen)
    assert seen == ["0"]


def test_a_body_that_is_cut(account):
    """An answer of known length ends after half of it."""
    account.fail("Invoke", faults.cut("middle"))
    answer = _functions(account).invoke(FunctionName="f")
    with closing(answer["Payload"]) as body, pytest.raises(botocore.exceptions.BotoCoreError):
        body.read()


def test_retries_execute_again(account):
    """With its defaults boto3 sends a call again whose answer was cut off: the log counts each execution."""
    account.fail("InvokeCodeInterpreter", faults.cut("after"), calls=[1])
    assert _invoke(_interpreter(account, retries={"mode": "standard"})) == ["0", "1", "2"]
    assert len(account.log.calls("InvokeCodeInterpreter", executed=True)) == 2


@pytest.mark.parametrize(("where", "executed"), [("before", 0), ("after", 1)])
async def test_a_slow_answer(account, where, executed):
    """A call waits, before or after its handler has run, until the test lets it go."""
    fault = account.fail("Invoke", faults.stuck(where=where))
    running = asyncio.create_task(asyncio.to_thread(_functions(account).invoke, FunctionName="f"))
    await asyncio.to_thread(fault.struck.wait)
    if executed:
        await asyncio.to_thread(account.log.wait, "Invoke", executed=True)
    assert len(account.log.calls("Invoke", executed=True)) == executed
    assert not running.done()
    fault.release()
    assert (await running)["StatusCode"] == 200


def test_an_answer_that_never_comes(account):
    """A client with a short patience gives up; the account's end lets go on what still waits."""
    account.fail("Invoke", faults.stuck())
    with pytest.raises(botocore.exceptions.ReadTimeoutError):
        _functions(account, read_timeout=0.05).invoke(FunctionName="f")
    (call,) = account.log.calls("Invoke")
    assert not call.finished.is_set()


def test_the_end_cuts_what_is_under_way():
    """When the account ends, calls that are under way are cut off."""
    with ThreadPoolExecutor(1) as pool:
        with Account(Functions()) as account:
            fault = account.fail("Invoke", faults.cut("after"))
            account.fail("Invoke", faults.stuck())
            running = pool.submit(_functions(account).invoke, FunctionName="f")
            fault.struck.wait()
        with pytest.raises(botocore.exceptions.BotoCoreError):
            running.result()
