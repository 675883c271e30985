"""AgentCore's sessions and interpreters, emulated: what a client sees of them, and how they end. Unmodified boto3."""

import os
import select
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError, EventStreamError

from tests.emulators import faults
from tests.emulators.account import Account
from tests.emulators.agentcore import AgentCore, services
from tests.emulators.agentcore_control import SYSTEM, AgentCoreControl

PUBLIC = {"networkMode": "PUBLIC"}
HERE = {"codeInterpreterIdentifier": SYSTEM}


@pytest.fixture
def account():
    """An account of its own for each test."""
    with Account(*services()) as account:
        yield account
    assert account.broken == []


@pytest.fixture
def data(account):
    """The data plane."""
    return account.client("bedrock-agentcore", retries={"total_max_attempts": 1})


@pytest.fixture
def control(account):
    """The control plane."""
    return account.client("bedrock-agentcore-control")


def _started(data, **given):
    return data.start_code_interpreter_session(**HERE, **given)["sessionId"]


def _invoke(data, session, tool, **arguments):
    """The result of a tool that answers in one event."""
    answer = data.invoke_code_interpreter(**HERE, sessionId=session, name=tool, arguments=arguments)
    assert answer["sessionId"] == session
    with closing(answer["stream"]) as stream:
        (event,) = stream
    return event["result"]


def _listening(account, session):
    """A fifo in the working folder of a session: reading it waits for what a program says."""
    path = account.services["bedrock-agentcore"].sessions[session].folder / "told"
    os.mkfifo(path)
    return path


def _gone(process):
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_the_systems_interpreter(control):
    """The interpreter that AWS has for everybody is ready, and its ARN belongs to AWS."""
    found = control.get_code_interpreter(codeInterpreterId=SYSTEM)
    assert found["codeInterpreterArn"] == f"arn:aws:bedrock-agentcore:us-east-1:aws:code-interpreter/{SYSTEM}"
    assert (found["status"], found["networkConfiguration"]) == ("READY", {"networkMode": "SANDBOX"})


def test_own_interpreters(control, data):
    """An own interpreter is made once for a token, listed beside the system's, used, and gone when it is deleted."""
    given = {"name": "mine", "networkConfiguration": PUBLIC, "description": "d", "clientToken": "t" * 33}
    made = control.create_code_interpreter(**given)
    assert made["status"] == "CREATING"
    assert control.create_code_interpreter(**given)["codeInterpreterId"] == made["codeInterpreterId"]
    own = made["codeInterpreterId"]
    found = control.get_code_interpreter(codeInterpreterId=own)
    assert (found["status"], found["description"], found["networkConfiguration"]) == ("READY", "d", PUBLIC)
    listed = {
        kind: [
            each["codeInterpreterId"] for each in control.list_code_interpreters(type=kind)["codeInterpreterSummaries"]
        ]
        for kind in ("SYSTEM", "CUSTOM")
    }
    assert listed == {"SYSTEM": [SYSTEM], "CUSTOM": [own]}
    session = data.start_code_interpreter_session(codeInterpreterIdentifier=own)["sessionId"]
    with pytest.raises(control.exceptions.ConflictException):
        control.delete_code_interpreter(codeInterpreterId=own)
    data.stop_code_interpreter_session(codeInterpreterIdentifier=own, sessionId=session)
    assert control.delete_code_interpreter(codeInterpreterId=own)["status"] == "DELETING"
    with pytest.raises(control.exceptions.ResourceNotFoundException):
        control.get_code_interpreter(codeInterpreterId=own)


def test_interpreters_that_cannot_be(control):
    """A name that is taken, a VPC without its subnets and the system's interpreter are refused."""
    control.create_code_interpreter(name="mine", networkConfiguration=PUBLIC)
    with pytest.raises(control.exceptions.ConflictException):
        control.create_code_interpreter(name="mine", networkConfiguration=PUBLIC)
    with pytest.raises(control.exceptions.ValidationException, match="vpcConfig"):
        control.create_code_interpreter(name="other", networkConfiguration={"networkMode": "VPC"})
    with pytest.raises(control.exceptions.ValidationException, match="system"):
        control.delete_code_interpreter(codeInterpreterId=SYSTEM)


def test_lists_come_in_pages(control, data):
    """A page has as many as were asked for; the token of one leads to the next; another token is refused."""
    for name in "abc":
        control.create_code_interpreter(name=name, networkConfiguration=PUBLIC)
    sessions = [_started(data, name=f"n{number}") for number in range(5)]
    found, token, pages = [], {}, 0
    while pages == 0 or token:
        page = data.list_code_interpreter_sessions(**HERE, maxResults=2, **token)
        found += [each["sessionId"] for each in page["items"]]
        token = {"nextToken": page["nextToken"]} if "nextToken" in page else {}
        pages += 1
    assert (found, pages) == (sessions[::-1], 3)
    interpreters = control.get_paginator("list_code_interpreters").paginate(PaginationConfig={"PageSize": 1})
    assert len([each for page in interpreters for each in page["codeInterpreterSummaries"]]) == 4
    with pytest.raises(data.exceptions.ValidationException, match="nextToken"):
        data.list_code_interpreter_sessions(**HERE, nextToken="bm9uZQ==")


def test_a_session_begins_and_ends(data):
    """A session is READY with what it was given until it is stopped, then TERMINATED, and is listed by its status."""
    session = _started(data, name="mine", sessionTimeoutSeconds=60)
    other = _started(data)
    found = data.get_code_interpreter_session(**HERE, sessionId=session)
    assert (found["name"], found["sessionTimeoutSeconds"], found["status"]) == ("mine", 60, "READY")
    assert data.get_code_interpreter_session(**HERE, sessionId=other)["sessionTimeoutSeconds"] == 900
    data.stop_code_interpreter_session(**HERE, sessionId=session)
    data.stop_code_interpreter_session(**HERE, sessionId=session)
    assert data.get_code_interpreter_session(**HERE, sessionId=session)["status"] == "TERMINATED"
    listed = {
        status: [each["sessionId"] for each in data.list_code_interpreter_sessions(**HERE, status=status)["items"]]
        for status in ("READY", "TERMINATED")
    }
    assert listed == {"READY": [other], "TERMINATED": [session]}


def test_a_session_is_started_once_for_a_token(account, data):
    """The same token means the same session, with the same parameters only."""
    token = {"clientToken": "t" * 33}
    assert _started(data, name="a", **token) == _started(data, name="a", **token)
    assert len(account.services["bedrock-agentcore"].running()) == 1
    with pytest.raises(data.exceptions.ValidationException) as caught:
        _started(data, name="b", **token)
    assert caught.value.response["reason"] == "IdempotentParameterMismatchException"


def test_what_is_not_there(data):
    """An unknown interpreter, an unknown session and one of another interpreter are not found."""
    session = _started(data)
    with pytest.raises(data.exceptions.ResourceNotFoundException):
        data.start_code_interpreter_session(codeInterpreterIdentifier="none-abcdefghij")
    with pytest.raises(data.exceptions.ResourceNotFoundException):
        data.get_code_interpreter_session(codeInterpreterIdentifier="none-abcdefghij", sessionId=session)
    with pytest.raises(data.exceptions.ResourceNotFoundException):
        _invoke(data, "NOBODY", "listFiles")
    with pytest.raises(data.exceptions.ValidationException, match="sessionId"):
        data.invoke_code_interpreter(**HERE, name="listFiles")


def test_the_quota_of_sessions():
    """With as many sessions as the account may have, another is 402 until one ends."""
    control = AgentCoreControl()
    with Account(control, AgentCore(control, most=1)) as account:
        data = account.client("bedrock-agentcore")
        session = _started(data)
        with pytest.raises(data.exceptions.ServiceQuotaExceededException):
            _started(data)
        data.stop_code_interpreter_session(**HERE, sessionId=session)
        _started(data)


def test_a_session_ends_at_its_time(account, data):
    """A session ends when its time is over, whatever runs in it, and answers no calls then."""
    session = _started(data, sessionTimeoutSeconds=1)
    with pytest.raises(ClientError) as caught:  # in the stream; before it, on a machine that is slow enough
        _invoke(data, session, "executeCommand", command="sleep 1000")
    assert caught.value.response["Error"]["Code"].lower() == "resourcenotfoundexception"
    assert account.services["bedrock-agentcore"].sessions[session].ended.is_set()
    assert data.get_code_interpreter_session(**HERE, sessionId=session)["status"] == "TERMINATED"
    with pytest.raises(data.exceptions.ResourceNotFoundException):
        _invoke(data, session, "executeCommand", command="true")


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("executeCommand", lambda program: {"command": program}),
        ("executeCode", lambda program: {"language": "python", "code": f"import os; os.system({program!r})"}),
    ],
)
def test_stopping_kills_at_once(account, data, tool, given):
    """A stop kills what a call is running, whose stream then ends with an exception event, and removes the folder."""
    session = _started(data)
    told = _listening(account, session)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(_invoke, data, session, tool, **given("echo $$ > told; exec sleep 1000"))
        process = int(told.read_text())
        data.stop_code_interpreter_session(**HERE, sessionId=session)
        with pytest.raises(EventStreamError) as caught:
            running.result()
    assert caught.value.response["Error"]["Code"] == "resourceNotFoundException"
    _gone(process)
    assert not told.parent.exists()


def test_stopping_kills_daemons(account, data):
    """What a command left behind as a daemon runs on when the command is over, and dies with the session."""
    session = _started(data)
    told = _listening(account, session)
    daemon = "(setsid sh -c 'echo $$ > told; exec sleep 1000' > /dev/null 2>&1 &)"
    with ThreadPoolExecutor(1) as pool:
        process = pool.submit(told.read_text)
        assert _invoke(data, session, "executeCommand", command=daemon)["isError"] is False
        process = int(process.result())
    os.kill(process, 0)
    data.stop_code_interpreter_session(**HERE, sessionId=session)
    _gone(process)


def test_the_account_ends_its_sessions():
    """With the account end all its sessions, their processes and their folders."""
    with Account(*services()) as account:
        data = account.client("bedrock-agentcore")
        session = _started(data)
        answer = _invoke(data, session, "executeCommand", command="sleep 1000 > /dev/null 2>&1 & echo $!; pwd")
        process, folder = answer["structuredContent"]["stdout"].split()
        os.kill(int(process), 0)
    _gone(int(process))
    assert not Path(folder).parents[2].exists()


def _client_of(served):
    """A client of what `serve.py` says that it serves."""
    exports = {}
    while "no_proxy" not in exports:
        line = served.stdout.readline()
        assert line
        name, _, value = line.removeprefix("export ").strip().partition("=")
        exports[name] = value
    return boto3.session.Session().client(
        "bedrock-agentcore",
        endpoint_url=exports["AWS_ENDPOINT_URL_BEDROCK_AGENTCORE"],
        region_name=exports["AWS_DEFAULT_REGION"],
        aws_access_key_id=exports["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=exports["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=exports["AWS_SESSION_TOKEN"],
    )


def test_a_killed_emulator_leaves_nothing_running(tmp_path):
    """When the emulator itself is killed, what ran in its sessions is killed too."""
    program = [sys.executable, str(Path(__file__).parent / "serve.py")]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env=environment) as served:
        try:
            client = _client_of(served)
            command = "sleep 1000 > /dev/null 2>&1 & echo $!"
            answer = _invoke(client, _started(client), "executeCommand", command=command)
            process = os.pidfd_open(int(answer["structuredContent"]["stdout"]))
        finally:
            served.send_signal(signal.SIGKILL)
    try:
        assert select.select([process], [], [], 30)[0]
    finally:
        os.close(process)


def test_faults_may_be_for_one_tool(account, data):
    """A fault strikes one tool of InvokeCodeInterpreter only; a refusal names the action and the interpreter."""
    session = _started(data)
    account.fail("InvokeCodeInterpreter", faults.denied(), when=lambda given: given["name"] == "executeCommand")
    _invoke(data, session, "writeFiles", content=[{"path": "a", "text": "b"}])
    with pytest.raises(ClientError) as caught:
        _invoke(data, session, "executeCommand", command="true")
    message = caught.value.response["Error"]["Message"]
    assert "bedrock-agentcore:InvokeCodeInterpreter on resource: arn:aws:bedrock-agentcore:us-east-1:aws:" in message


def test_a_lost_answer_has_run(account, data):
    """A command whose answer was cut off has run to its end: only the session's folder shows it."""
    session = _started(data)
    account.fail("InvokeCodeInterpreter", faults.cut("after"), calls=[1])
    with pytest.raises(Exception, match="Connection was closed"):
        _invoke(data, session, "executeCommand", command="echo done > ran")
    assert (account.services["bedrock-agentcore"].sessions[session].folder / "ran").read_text() == "done\n"
