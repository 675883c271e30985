"""The emulated Lambda: what the product's tests take for granted about it."""

import base64
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import botocore.exceptions
import pytest

from tests.emulators import faults
from tests.emulators.account import Account
from tests.emulators.lambda_package import zip_of
from tests.emulators.lambda_runtime import CANARIES
from tests.emulators.lambda_service import Lambda

HANDLER = """
import json, os, socket, subprocess, sys, time, urllib.request

ASK = "import http.client, os; c = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API']);"
ASK += "c.request('GET', '/2018-06-01/runtime/invocation/next'); print(flush=True); c.getresponse()"

def echo(event, context):
    print("echo says", event)
    return {"event": event, "pid": os.getpid(), "tenant": context.tenant_id, "arn": context.invoked_function_arn}

def surroundings(event, context):
    return {
        "environment": dict(os.environ), "folder": os.getcwd(), "uid": os.getuid(), "id": context.aws_request_id,
        "left": context.get_remaining_time_in_millis(), "handler": __file__, "memory": context.memory_limit_in_mb,
        "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()),
    }

def tries(event, context):
    found = {}
    for name, attempt in {
        "write": lambda: open("/var/task/new", "w"), "root": lambda: open("/new", "w"),
        "shm": lambda: os.listdir("/dev/shm"), "tests": lambda: os.listdir(event["tests"]),
        "temporary": lambda: open("/tmp/new", "w").name,
        "first": lambda: open("/proc/1/environ").read(), "private": lambda: open("/var/task/private").read(),
    }.items():
        try:
            found[name] = attempt()
        except OSError as error:
            found[name] = type(error).__name__
    found["temporary"] = found["temporary"] == "/tmp/new"
    return found

def ends(event, context):
    if event == "raise":
        raise LookupError("not here")
    if event == "exit":
        os._exit(3)
    if event == "killed":
        os.kill(os.getpid(), 9)
    if event == "slow":
        time.sleep(60)
    return "x" * 7_000_000

def meets(event, context):
    open("/tmp/here", "w").close()
    while not os.path.exists("/tmp/go"):
        time.sleep(0.005)
    return os.getpid()

def leaves(event, context):
    if event == "daemon":
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    if event == "thief":
        steal = "import urllib.request as r, os; url = 'http://' + os.environ['AWS_LAMBDA_RUNTIME_API']"
        steal += " + '/2018-06-01/runtime/invocation/'; got = r.urlopen(url + 'next')"
        steal += "; r.urlopen(url + got.headers['Lambda-Runtime-Aws-Request-Id'] + '/response', b'stolen')"
        subprocess.Popen([sys.executable, "-c", steal], start_new_session=True)
    if event == "thief, caught":
        thief = subprocess.Popen([sys.executable, "-c", ASK], start_new_session=True, stdout=subprocess.PIPE)
        thief.stdout.read(1)
        thief.kill()
        thief.wait()
    if event == "parent":
        return open(f"/proc/{os.getpid()}/environ").read()
"""
BROKEN = "import nothing_of_this_name\n"


@pytest.fixture
def functions(emulate: Callable[..., Account]) -> Lambda:
    """An emulated Lambda to which the environment points."""
    service = Lambda()
    emulate(service)
    return service


def added(service: Lambda, handler: str, **settings) -> Callable[..., dict]:
    """Adds a function and gives what invokes it: the answer, with its payload read."""
    package = zip_of({"handler.py": HANDLER})
    service.add("function", package, f"handler.{handler}", **settings)
    client = service.account.client("lambda", retries={"total_max_attempts": 1})

    def invoke(event: object = None, **given) -> dict:
        answer = client.invoke(FunctionName="function", Payload=json.dumps(event), **given)
        return {**answer, "Payload": json.loads(answer["Payload"].read())}

    return invoke


def code_of(error: pytest.ExceptionInfo) -> str:
    """The code of a ClientError."""
    return error.value.response["Error"]["Code"]


def test_a_real_handler_runs(functions):
    """The handler of a deployment package gets the event and answers, under the real runtime client."""
    answer = added(functions, "echo")({"n": [1, "é"]})
    assert answer["StatusCode"] == 200
    assert "FunctionError" not in answer
    assert answer["ExecutedVersion"] == "$LATEST"
    assert answer["Payload"]["event"] == {"n": [1, "é"]}
    assert answer["Payload"]["arn"] == "arn:aws:lambda:us-east-1:123456789012:function:function"


def test_the_surroundings_are_lambdas(functions):
    """Folder, variables, credentials, deadline and memory are what a function finds in Lambda."""
    invoke = added(functions, "surroundings", Timeout=7, MemorySize=256, Environment={"Variables": {"MINE": "1"}})
    seen = invoke()["Payload"]
    assert seen["folder"] == "/var/task"
    assert seen["handler"] == "/var/task/handler.py"
    assert 0 < seen["left"] <= 7000
    assert seen["uid"] != 0
    variables = seen["environment"]
    assert CANARIES.items() <= variables.items()
    assert variables["MINE"] == "1"
    assert variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert variables["AWS_REGION"] == "us-east-1"
    assert variables["AWS_LAMBDA_RUNTIME_API"].startswith("127.0.0.1:")
    assert seen["processes"] == [1, 2]


def test_an_environment_is_shut_in(functions, tmp_path):
    """A function writes to /tmp alone and sees neither the tests' files nor what only their owner may read."""
    functions.add("function", _with_private_file(), "handler.tries")
    client = functions.account.client("lambda")
    answer = client.invoke(FunctionName="function", Payload=json.dumps({"tests": str(tmp_path)}))
    assert json.loads(answer["Payload"].read()) == {
        "write": "OSError",
        "root": "OSError",
        "shm": "FileNotFoundError",
        "tests": "FileNotFoundError",
        "temporary": True,
        "first": "PermissionError",
        "private": "PermissionError",
    }
    (environment,) = functions.pool("function").environments
    assert (environment.temporary / "new").exists()


def _with_private_file() -> bytes:
    import io
    import zipfile

    buffer = io.BytesIO(zip_of({"handler.py": HANDLER}))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("private", "only for its owner")  # zipfile's own mode: 0600
    return buffer.getvalue()


def test_environments_are_reused(functions):
    """The next invocation finds the process of the last one; one that overlaps gets an environment of its own."""
    invoke = added(functions, "meets")
    pool = functions.pool("function")
    results: list[object] = []
    threads = [threading.Thread(target=lambda: results.append(invoke()["Payload"])) for _ in range(2)]
    for thread in threads:
        thread.start()
    functions.account.log.wait("Invoke", 2)
    _let_go(pool, 2)
    for thread in threads:
        thread.join()
    assert len({each.runtime.pid for each in pool.environments}) == 2
    assert invoke()["StatusCode"] == 200  # both have their /tmp/go still
    assert pool.cold_starts == 2
    assert sorted(each.invocations for each in pool.environments) == [1, 2]


def _let_go(pool, count: int) -> None:
    """Wait until so many invocations are inside the handler, and let them end."""
    arrived = threading.Event()
    while sum((each.temporary / "here").exists() for each in pool.environments) < count:
        arrived.wait(0.005)
    for each in pool.environments:
        (each.temporary / "go").touch()


@pytest.mark.parametrize(
    ("event", "error", "text"),
    [
        ("raise", "LookupError", "not here"),
        ("exit", "Runtime.ExitError", "Error: Runtime exited with error: exit status 3"),
        ("killed", "Runtime.ExitError", "Error: Runtime exited with error: signal: killed"),
        ("slow", "Sandbox.Timedout", "Error: Task timed out after 1.00 seconds"),
        ("large", "Function.ResponseSizeTooLarge", "(6291556 bytes)"),
    ],
)
def test_failures_have_lambdas_shape(functions, event, error, text):
    """Whatever ends an invocation, the call answers 200 and names the error; the next invocation works."""
    invoke = added(functions, "ends", Timeout=1)
    answer = invoke(event)
    assert answer["StatusCode"] == 200
    assert answer["FunctionError"] == "Unhandled"
    assert answer["Payload"]["errorType"] == error
    assert text in answer["Payload"]["errorMessage"]
    assert invoke("raise")["Payload"]["errorType"] == "LookupError"


def test_a_handler_that_cannot_be_loaded(functions):
    """An import that fails while the environment starts is the answer of the invocation."""
    functions.add("broken", zip_of({"handler.py": BROKEN}), "handler.echo")
    answer = functions.account.client("lambda").invoke(FunctionName="broken", Payload=b"{}")
    assert answer["FunctionError"] == "Unhandled"
    error = json.loads(answer["Payload"].read())
    assert error["errorType"] == "Runtime.ImportModuleError"
    assert "nothing_of_this_name" in error["errorMessage"]


def test_the_log_tail(functions):
    """LogType Tail gives the last 4 KB of what this invocation wrote, with its report."""
    invoke = added(functions, "echo")
    invoke("first")
    log = base64.b64decode(invoke("second", LogType="Tail")["LogResult"]).decode()
    assert log.startswith("START RequestId: ")
    assert "echo says second" in log
    assert "first" not in log
    assert "Billed Duration: " in log
    assert len(base64.b64decode(invoke("x" * 5000, LogType="Tail")["LogResult"])) == 4096


def test_reserved_concurrency(functions):
    """One invocation more than is reserved is throttled; 0 lets nothing through."""
    invoke = added(functions, "meets")
    client = functions.account.client("lambda")
    client.put_function_concurrency(FunctionName="function", ReservedConcurrentExecutions=1)
    first = threading.Thread(target=invoke)
    first.start()
    functions.account.log.wait("Invoke", executed=True)
    pool = functions.pool("function")
    arrived = threading.Event()
    while not pool.under_way:
        arrived.wait(0.005)
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        invoke()
    assert code_of(caught) == "TooManyRequestsException"
    assert caught.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    _let_go(pool, 1)
    first.join()
    assert client.get_function_concurrency(FunctionName="function")["ReservedConcurrentExecutions"] == 1
    client.put_function_concurrency(FunctionName="function", ReservedConcurrentExecutions=0)
    with pytest.raises(botocore.exceptions.ClientError, match="TooManyRequests"):
        invoke()


def test_tenants_never_share_an_environment(functions):
    """With tenant isolation each tenant has environments of its own, and a call without a tenant is refused."""
    invoke = added(functions, "echo", TenancyConfig={"TenantIsolationMode": "PER_TENANT"})
    assert [invoke(TenantId=name)["Payload"]["tenant"] for name in ("blue", "green", "blue")] == [
        "blue",
        "green",
        "blue",
    ]
    pool = functions.pool("function")
    assert {each.tenant: each.invocations for each in pool.environments} == {"blue": 2, "green": 1}
    with pytest.raises(botocore.exceptions.ClientError, match="Add a valid tenant ID") as caught:
        invoke()
    assert code_of(caught) == "InvalidParameterValueException"


def test_a_tenant_needs_tenant_isolation(functions):
    """A function without tenant isolation refuses a tenant."""
    invoke = added(functions, "echo")
    with pytest.raises(botocore.exceptions.ClientError, match="Remove the tenant ID"):
        invoke(TenantId="blue")


def test_what_is_too_large_is_refused(functions):
    """A payload of more than 6 MB is refused before the function sees it."""
    invoke = added(functions, "echo")
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        invoke("x" * 6_291_456)
    assert code_of(caught) == "RequestTooLargeException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert functions.pool("function").cold_starts == 0


def test_strays_are_seen(functions):
    """What an invocation left running in a session of its own shows between two invocations, and ends with all."""
    added(functions, "leaves")("daemon")
    (environment,) = functions.pool("function").environments
    (stray,) = environment.strays()
    assert "time.sleep(60)" in stray.command
    gone = [os.pidfd_open(each.pid) for each in environment.processes()]
    functions.pool("function").recycle()
    assert sorted(select.select(gone, [], [], 10)[0]) == gone
    for each in gone:
        os.close(each)


def test_a_stray_can_take_the_next_invocation(functions):
    """The Runtime API knows nobody: unless a runner sees to it, what was left behind answers the next caller."""
    invoke = added(functions, "leaves")
    invoke("thief")
    (environment,) = functions.pool("function").environments
    changed = threading.Event()
    while environment.polls < 3:  # the runtime twice, the thief once
        changed.wait(0.005)
    client = functions.account.client("lambda")
    answers = [client.invoke(FunctionName="function", Payload=b'"x"')["Payload"].read() for _ in range(2)]
    assert b"stolen" in answers


def test_a_thief_that_is_caught_takes_nothing(functions):
    """A stray that has asked for the next invocation and is killed before it comes gets none."""
    invoke = added(functions, "leaves", Timeout=2)
    invoke("thief, caught")
    assert [invoke("x").get("FunctionError") for _ in range(2)] == [None, None]


def test_the_credentials_can_be_read_by_guests(functions):
    """The environment of the runtime is readable to its own user: unless a runner sees to it, a guest finds it."""
    assert CANARIES["AWS_SECRET_ACCESS_KEY"] in added(functions, "leaves")("parent")["Payload"]


def test_an_invocation_outlives_its_caller(functions):
    """A caller that goes away ends nothing: the function runs to its end."""
    added(functions, "meets", Timeout=30)
    account = functions.account
    impatient = account.client("lambda", read_timeout=0.2, retries={"total_max_attempts": 1})
    with pytest.raises(botocore.exceptions.ReadTimeoutError):
        impatient.invoke(FunctionName="function", Payload=b"{}")
    pool = functions.pool("function")
    _let_go(pool, 1)
    (call,) = account.log.calls("Invoke")
    assert call.finished.wait(10)
    assert [each.invocations for each in pool.environments] == [1]


def test_configurations(functions):
    """A function is created, shown, changed, published, listed and deleted as the model has it."""
    client = functions.account.client("lambda")
    role = "arn:aws:iam::123456789012:role/runner"
    made = client.create_function(
        FunctionName="runner",
        Runtime="python3.13",
        Role=role,
        Handler="handler.echo",
        Code={"ZipFile": zip_of({"handler.py": HANDLER})},
        Timeout=20,
        TenancyConfig={"TenantIsolationMode": "PER_TENANT"},
        Tags={"owner": "tests"},
    )
    assert made["State"] == "Pending"
    client.get_waiter("function_active_v2").wait(FunctionName="runner")
    shown = client.get_function(FunctionName=made["FunctionArn"])
    assert shown["Configuration"]["TenancyConfig"] == {"TenantIsolationMode": "PER_TENANT"}
    assert shown["Configuration"]["CodeSha256"] == made["CodeSha256"]
    assert shown["Configuration"]["Timeout"] == 20
    assert shown["Tags"] == {"owner": "tests"}
    client.update_function_configuration(FunctionName="runner", Timeout=30)
    assert client.get_function_configuration(FunctionName="runner")["Timeout"] == 30
    assert client.publish_version(FunctionName="runner")["Version"] == "1"
    answer = client.invoke(FunctionName="runner", Qualifier="1", TenantId="t", Payload=b"1")
    assert answer["ExecutedVersion"] == "1"
    answer["Payload"].read()
    assert [each["FunctionName"] for each in client.list_functions()["Functions"]] == ["runner"]
    client.delete_function(FunctionName="runner")
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        client.invoke(FunctionName="runner", TenantId="t")
    assert code_of(caught) == "ResourceNotFoundException"


def test_new_code_serves_at_once(functions):
    """After an update no environment of the old code serves again."""
    invoke = added(functions, "echo")
    invoke()
    changed = HANDLER.replace('"event": event', '"event": "new code"')
    functions.account.client("lambda").update_function_code(
        FunctionName="function", ZipFile=zip_of({"handler.py": changed})
    )
    assert invoke()["Payload"]["event"] == "new code"
    assert len(functions.pool("function").environments) == 1


def test_changes_take_their_time(emulate):
    """With settling a new function takes no invocation and a changing one no change until it was looked at."""
    service = Lambda(settling=1)
    client = emulate(service).client("lambda", retries={"total_max_attempts": 1})
    invoke = added(service, "echo")
    with pytest.raises(botocore.exceptions.ClientError, match="state: Pending"):
        invoke()
    assert client.get_function_configuration(FunctionName="function")["State"] == "Pending"
    assert client.get_function_configuration(FunctionName="function")["State"] == "Active"
    invoke()
    client.update_function_configuration(FunctionName="function", Timeout=5)
    with pytest.raises(botocore.exceptions.ClientError, match="An update is in progress"):
        client.update_function_configuration(FunctionName="function", Timeout=6)


@pytest.mark.parametrize("package", [b"no zip", zip_of({"../out.py": ""})])
def test_bad_packages(functions, package):
    """A package that is no zip, or that leaves its folder, is refused."""
    with pytest.raises(Exception, match="Could not unzip uploaded file"):
        functions.add("function", package, "handler.echo")


def test_faults_apply(functions):
    """The faults of the account strike invocations: one that is denied names the action and the function."""
    invoke = added(functions, "echo")
    functions.account.fail("Invoke", faults.denied(), calls=[1])
    with pytest.raises(
        botocore.exceptions.ClientError, match=r"lambda:InvokeFunction on resource: .*function:function"
    ):
        invoke()
    assert invoke()["StatusCode"] == 200


ALONE = """
import sys
from pathlib import Path
from tests.emulators.lambda_api import Invocation
from tests.emulators.lambda_package import unpack, zip_of
from tests.emulators.lambda_runtime import Environment, Settings

code = Path(sys.argv[1]) / "code"
unpack(zip_of({"handler.py": "def f(event, context): return event"}), code)
environment = Environment(Settings("function", "handler.f", code))
print(environment.invoke(Invocation(b"42")).payload.decode(), environment.runtime.pid, flush=True)
if sys.argv[2] == "wait":
    sys.stdin.read()
environment.close()
"""


def test_nothing_outlives_the_tests(functions, tmp_path):
    """A test process that is killed takes its environments with it."""
    command = [sys.executable, "-c", ALONE, str(tmp_path), "wait"]
    root = Path(__file__).resolve().parents[2]
    own = {**os.environ, "TMPDIR": str(tmp_path)}  # it cannot clear up after itself
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes, cwd=root, env=own) as process:
        answer, pid = process.stdout.readline().split()
        assert answer == "42"
        runtime = os.pidfd_open(int(pid))
        process.send_signal(signal.SIGKILL)
        assert select.select([runtime], [], [], 10)[0] == [runtime]
        os.close(runtime)


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests are those of an ordinary user already")
def test_an_ordinary_user_has_environments_too(functions, as_ordinary_user):
    """Where the tests do not run as root, environments are made in a user namespace."""
    done = as_ordinary_user("-c", ALONE, "/tmp/" + os.urandom(4).hex(), "end", timeout=30)
    assert done.stdout.startswith("42 "), done.stderr
