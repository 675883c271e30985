"""The core of the emulators, against unmodified boto3: what it understands, refuses, answers, and lets fail."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, EventStreamError

from tests.emulators.account import SERVICES, Account
from tests.emulators.checks import pattern_of
from tests.emulators.raw import sent
from tests.emulators.routes import Routes, model_of
from tests.emulators.service import Call, Service, ServiceError

FUNCTION = {"FunctionName": "f"}
WHEN = datetime(2026, 11, 21, 12, 30, 0, 250_000, UTC)


class Functions(Service):
    """A little of Lambda: it answers with what it was given."""

    name = "lambda"

    def __init__(self) -> None:
        self.together: threading.Barrier | None = None

    def invoke(self, call: Call) -> dict:
        """The payload comes back."""
        if self.together is not None:
            self.together.wait(60)
        return {"StatusCode": 202, "Payload": call.input.get("Payload", b""), "FunctionError": "Unhandled"}

    async def invoke_with_response_stream(self, call: Call) -> dict:
        """The payload comes back as events, one for each byte."""

        async def events():
            for byte in call.input["Payload"]:
                await asyncio.sleep(0)
                yield {"PayloadChunk": {"Payload": bytes([byte])}}
            yield {"InvokeComplete": {"LogResult": "bG9n"}}

        return {"StatusCode": 200, "EventStream": events()}

    def get_function(self, call: Call) -> dict:
        """There is none."""
        raise ServiceError("ResourceNotFoundException", f"Function not found: {call.input['FunctionName']}")

    def untag_resource(self, call: Call) -> None:
        """An answer without a body."""

    def list_functions(self, call: Call) -> dict:
        """Broken: the model has no such member."""
        return {"Function": []}

    def list_versions_by_function(self, call: Call) -> dict:
        """An error that no model has."""
        raise ServiceError("TeapotException", "I am one.", status=418)

    def put_function_concurrency(self, call: Call) -> dict:
        """A throttle with a header of its own."""
        raise ServiceError("TooManyRequestsException", "Slow down.", retryAfterSeconds="7")


class Machines(Service):
    """A little of Lambda MicroVMs."""

    name = "lambda-microvms"

    def get_microvm(self, call: Call) -> dict:
        """One that was started at a time that tests know."""
        return {
            "microvmId": call.input["microvmIdentifier"],
            "state": "RUNNING",
            "endpoint": "e",
            "imageArn": "arn:aws:lambda:us-east-1:123456789012:microvm-image:i",
            "imageVersion": "1",
            "maximumDurationInSeconds": 60,
            "startedAt": WHEN,
        }


class Interpreter(Service):
    """A little of AgentCore: streams that a test asks for."""

    name = "bedrock-agentcore"

    def __init__(self) -> None:
        self.pulled = 0

    def invoke_code_interpreter(self, call: Call) -> dict:
        """Three events, then an error if the code asks for one."""
        code = call.input.get("arguments", {}).get("code", "")

        def events():
            for number in range(3):
                self.pulled += 1
                yield {"result": {"content": [{"type": "image", "data": bytes([number])}], "isError": False}}
            if code:
                raise ServiceError(code, "so it was asked")

        return {"sessionId": "S", "stream": events()}


@pytest.fixture(scope="module")
def shared():
    """One account for all tests here; each forgets what was called."""
    with Account(Functions(), Machines(), Interpreter()) as account:
        yield account


@pytest.fixture
def account(shared):
    """The account, with an empty log and nothing that fails."""
    shared.log.clear()
    shared.faults.clear()
    yield shared
    assert shared.broken == []


@pytest.fixture
def functions(account):
    """Lambda, by a client that tries once."""
    return account.client("lambda", retries={"total_max_attempts": 1})


def _invoke(client, **arguments):
    """The events of one call, all read."""
    given = {"name": "executeCode", "codeInterpreterIdentifier": "i", "sessionId": "S"}
    with closing(client.invoke_code_interpreter(**given, arguments=arguments)["stream"]) as stream:
        return list(stream)


@pytest.mark.parametrize("name", SERVICES)
def test_every_operation_has_its_route(name):
    """Each operation of each service is found by the method and the path that its model has for it."""
    model = model_of(name)
    routes = Routes(model)
    for each in model.operation_names:
        operation = model.operation_model(each)
        path, _, query = operation.http["requestUri"].partition("?")
        for label in operation.input_shape.members if operation.input_shape else ():
            path = path.replace(f"{{{label}}}", "x%2Fy").replace(f"{{{label}+}}", "x/y")
        found = routes.find(operation.http["method"], path, query)
        assert found, operation.http
        assert found[0].name == each


@pytest.mark.parametrize("name", SERVICES)
def test_every_pattern_can_be_checked(name):
    """Each pattern of each model, which are Java's, is one that Python can read."""
    model = model_of(name)
    for each in model.shape_names:
        if pattern := model.shape_for(each).metadata.get("pattern"):
            pattern_of(pattern)


def test_greedy_labels_take_slashes():
    """A label with a plus spans segments of the path; one without ends at a slash."""
    from botocore.model import ServiceModel

    operation = {"name": "Get", "http": {"method": "GET", "requestUri": "/a/{One}/b/{Rest+}"}}
    routes = Routes(ServiceModel({"metadata": {}, "operations": {"Get": operation}, "shapes": {}}))
    assert routes.find("GET", "/a/1/b/2/3%20", "")[1] == {"One": "1", "Rest": "2/3 "}
    assert routes.find("GET", "/a/1/2/b/3", "") is None


def test_input_is_read_from_everywhere(account, functions):
    """Path, query string, headers and a payload of bytes reach the handler as the members of the model."""
    given = {"FunctionName": "a.b:c", "Qualifier": "7", "LogType": "Tail", "TenantId": "t t", "Payload": b"\x00{}"}
    functions.invoke(**given)
    (call,) = account.log.calls("Invoke")
    assert call.input == given
    assert (call.executed, call.code) == (True, None)
    functions.untag_resource(Resource="arn:aws:lambda:us-east-1:123456789012:function:f", TagKeys=["a", "b c"])
    assert account.log.calls("UntagResource")[0].input["TagKeys"] == ["a", "b c"]


def test_output_goes_everywhere(account, functions):
    """Status, headers, a payload, times and no body at all arrive as the model has them."""
    answer = functions.invoke(**FUNCTION, Payload=b"back")
    assert (answer["StatusCode"], answer["FunctionError"], answer["Payload"].read()) == (202, "Unhandled", b"back")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    machine = account.client("lambda-microvms").get_microvm(microvmIdentifier="m")
    assert (machine["startedAt"], machine["microvmId"]) == (WHEN, "m")
    gone = functions.untag_resource(Resource="arn:aws:lambda:us-east-1:123456789012:function:f", TagKeys=["a"])
    assert gone["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_large_bodies(functions):
    """Many megabytes go through, also from a file, which boto3 sends only when it was told to continue."""
    large = os.urandom(8 * 2**20)
    assert functions.invoke(**FUNCTION, Payload=large)["Payload"].read() == large
    with open(__file__, "rb") as file:
        assert functions.invoke(**FUNCTION, Payload=file)["Payload"].read() == Path(__file__).read_bytes()


@pytest.mark.parametrize(
    ("operation", "given", "complaint"),
    [
        ("start_code_interpreter_session", {"sessionTimeoutSeconds": 28_801}, "less than or equal to 28800"),
        ("start_code_interpreter_session", {"sessionTimeoutSeconds": 0}, "value greater than or equal to 1"),
        ("start_code_interpreter_session", {"name": "n" * 101}, "length less than or equal to 100"),
        ("start_code_interpreter_session", {"clientToken": "short"}, "length greater than or equal to 33"),
        ("start_code_interpreter_session", {"clientToken": "_" * 33}, "regular expression pattern"),
        ("start_code_interpreter_session", {"certificates": []}, "length greater than or equal to 1"),
        ("start_code_interpreter_session", {"certificates": [{"location": {}}]}, "Exactly one member"),
        ("start_code_interpreter_session", {"certificates": [{}]}, "'certificates.1.member.location'"),
        ("invoke_code_interpreter", {}, "Value null at 'name' failed to satisfy constraint: Member must not be null"),
        ("invoke_code_interpreter", {"name": "executeAll"}, "enum value set: [executeCode"),
        ("invoke_code_interpreter", {"name": "executeCode", "sessionId": "-"}, "Value '-' at 'sessionId'"),
    ],
)
def test_constraints_of_the_model(account, operation, given, complaint):
    """Input that breaks a constraint is refused as the service's model says, and no handler runs."""
    client = account.client("bedrock-agentcore", parameter_validation=False)
    with pytest.raises(client.exceptions.ValidationException) as caught:
        getattr(client, operation)(codeInterpreterIdentifier="i", **given)
    assert complaint in caught.value.response["Error"]["Message"]
    assert caught.value.response["reason"] == "FieldValidationFailed"
    assert len(caught.value.response["fieldList"]) == 1
    assert account.log.calls(executed=True) == []


@pytest.mark.parametrize(
    ("name", "path", "body", "code"),
    [
        ("bedrock-agentcore", "/code-interpreters/i/tools/invoke", b"{", "ValidationException"),
        ("bedrock-agentcore", "/code-interpreters/i/tools/invoke", b'{"name": 5}', "ValidationException"),
        ("lambda-microvms", "/2025-09-09/microvms", b"[]", "SerializationException"),
        ("lambda", "/2015-03-31/nothing", b"", "UnknownOperationException"),
    ],
)
def test_unreadable_requests(account, name, path, body, code):
    """What is no JSON, of another type or at no address is refused by the name that the service has for it."""
    status, headers, answer = sent(account, "POST", path, body, name=name)
    assert (status // 100, headers["x-amzn-errortype"]) == (4, code)
    assert json.loads(answer).get("reason", "CannotParse") == "CannotParse"


def test_errors_are_the_models(account, functions):
    """A known error has its status, its members and its headers; an unknown one has those of the handler."""
    with pytest.raises(functions.exceptions.ResourceNotFoundException, match="Function not found: f") as caught:
        functions.get_function(**FUNCTION)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    assert caught.value.response["Type"] == "User"
    with pytest.raises(functions.exceptions.TooManyRequestsException) as caught:
        functions.put_function_concurrency(**FUNCTION, ReservedConcurrentExecutions=1)
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "7"
    with pytest.raises(ClientError, match="TeapotException") as caught:
        functions.list_versions_by_function(**FUNCTION)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 418
    assert [call.code for call in account.log.calls()][-1] == "TeapotException"


def test_event_streams(account, functions):
    """Events arrive one by one, with blobs and raw payloads, and with CRCs that botocore checks."""
    results = _invoke(account.client("bedrock-agentcore"))
    assert [each["result"]["content"][0]["data"] for each in results] == [b"\x00", b"\x01", b"\x02"]
    events = list(functions.invoke_with_response_stream(**FUNCTION, Payload=b"ab")["EventStream"])
    assert [each["PayloadChunk"]["Payload"] for each in events[:-1]] == [b"a", b"b"]
    assert events[-1] == {"InvokeComplete": {"LogResult": "bG9n"}}


@pytest.mark.parametrize(
    ("asked", "code"), [("ThrottlingException", "throttlingException"), ("OtherException", "OtherException")]
)
def test_errors_in_a_stream(account, asked, code):
    """An error after events is an exception event under its member's name, or one that the stream does not have."""
    client = account.client("bedrock-agentcore")
    with pytest.raises(EventStreamError, match="so it was asked") as caught:
        _invoke(client, code=asked)
    assert caught.value.response["Error"]["Code"] == code


def test_a_broken_handler_is_noticed(shared):
    """A handler that returns what the model does not have cuts the connection, and the account remembers it."""
    client = shared.client("lambda", retries={"total_max_attempts": 1})
    with pytest.raises(ConnectionClosedError):
        client.list_functions()
    with pytest.raises(ConnectionClosedError):
        client.get_alias(**FUNCTION, Name="a")
    unknown, missing = shared.broken
    shared.broken.clear()
    assert "has no Function" in str(unknown)
    assert "has no GetAlias" in str(missing)


def test_many_connections_at_once(account):
    """A hundred and twenty-eight calls are in their handlers at the same time."""
    count = 128
    service = account.services["lambda"]
    client = account.client("lambda", max_pool_connections=count)
    service.together = threading.Barrier(count)
    try:
        with ThreadPoolExecutor(count) as pool:
            answers = list(
                pool.map(lambda n: client.invoke(**FUNCTION, Payload=b"%d" % n)["Payload"].read(), range(count))
            )
    finally:
        service.together = None
    assert answers == [b"%d" % n for n in range(count)]


def test_connections_are_kept(shared):
    """One client needs one connection for calls that follow one another, after errors and streams too."""
    with Account(Functions(), Interpreter()) as account:
        functions, interpreter = account.client("lambda"), account.client("bedrock-agentcore")
        for _ in range(5):
            functions.invoke(**FUNCTION)["Payload"].read()
            with pytest.raises(functions.exceptions.ResourceNotFoundException):
                functions.get_function(**FUNCTION)
            _invoke(interpreter)
        assert [len(each.connections) for each in account.endpoints.values()] == [1, 1]


def test_unmodified_boto3_by_its_environment(emulate):
    """The environment alone points boto3 at the emulated services; those that are not emulated refuse connections."""
    account = emulate(Functions(), region="eu-central-1")
    assert boto3.session.Session().client("lambda").invoke(**FUNCTION, Payload=b"1")["Payload"].read() == b"1"
    assert len(account.log.calls("Invoke")) == 1
    config = Config(retries={"total_max_attempts": 1})
    with pytest.raises(EndpointConnectionError):
        boto3.session.Session().client("bedrock-agentcore", config=config).get_code_interpreter_session(
            codeInterpreterIdentifier="i", sessionId="S"
        )
    assert account.environment(refused=["lambda"])["AWS_ENDPOINT_URL_LAMBDA"] == account.nowhere


def test_the_log_can_be_waited_for(account, functions):
    """A test waits for a call to arrive without sleeping, and is told when it does not come."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(account.log.wait, "Invoke", 2, executed=True)
        for _ in range(2):
            functions.invoke(**FUNCTION)
        assert len(waiting.result()) == 2
    with pytest.raises(TimeoutError, match="GetFunction was not called 1 times"):
        account.log.wait("GetFunction", timeout=0)


def test_served_by_hand():
    """`serve.py` prints what points a shell at every emulated service, and ends in order when it is interrupted."""
    program = [sys.executable, str(Path(__file__).parent / "serve.py")]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, cwd="/") as served:
        try:
            lines = [served.stdout.readline()]
            while lines[-1] and "no_proxy" not in lines[-1]:
                lines.append(served.stdout.readline())
            exports = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines)
            client = boto3.session.Session().client(
                "bedrock-agentcore-control",
                endpoint_url=exports["AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL"],
                region_name=exports["AWS_DEFAULT_REGION"],
                aws_access_key_id=exports["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=exports["AWS_SECRET_ACCESS_KEY"],
                aws_session_token=exports["AWS_SESSION_TOKEN"],
            )
            assert client.get_code_interpreter(codeInterpreterId="aws.codeinterpreter.v1")["status"] == "READY"
            served.send_signal(signal.SIGINT)
            assert served.wait(30) == 0
        finally:
            served.kill()
