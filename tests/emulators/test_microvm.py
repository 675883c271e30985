"""The emulated Lambda MicroVMs: what the product's tests take for granted about them."""

import http.client
import json
import os
import select
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import botocore.exceptions
import pytest

from tests.emulators import faults
from tests.emulators.account import Account
from tests.emulators.lambda_package import zip_of
from tests.emulators.microvm_service import MicroVms

SERVER = """
import http.server, json, os, subprocess, sys, urllib.request

HOOKS = []

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        if self.path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"half")
            self.close_connection = True
        elif self.path == "/stream":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in (b"one", b"two"):
                self.wfile.write(b"%x\\r\\n%b\\r\\n" % (len(piece), piece))
                self.wfile.flush()
                while piece == b"one" and not os.path.exists("/tmp/go"):
                    pass
            self.wfile.write(b"0\\r\\n\\r\\n")
        else:
            facts = {"hooks": HOOKS, "headers": dict(self.headers), "uid": os.getuid(), "variables": dict(os.environ)}
            self.answer(200, json.dumps(facts).encode())
    def do_POST(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers["Content-Length"]))
        name = self.path.rsplit("/", 1)[1]
        if self.path.startswith("/aws/lambda-microvms/runtime/v1/"):
            HOOKS.append([name, json.loads(body)])
            self.answer(400 if "refuse" in body.decode() else 200, b"")
        elif name == "daemon":
            subprocess.Popen(["sleep", "60"], start_new_session=True)
            self.answer(200, b"started")
        elif name == "go":
            open("/tmp/go", "w").close()
            self.answer(200, b"")
        else:
            self.answer(200, body[::-1])

http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Handler).serve_forever()
"""
HOOKS = {"port": 8080, "microvmHooks": {"run": "ENABLED", "suspend": "ENABLED", "resume": "ENABLED"}}


class Guest:
    """A client of one MicroVM's endpoint."""

    def __init__(self, service: MicroVms, microvm: dict, ports: list[dict] | None = None) -> None:
        """Take a token for port 8080."""
        self.client = service.account.client("lambda-microvms")
        self.id = microvm["microvmId"]
        self.address = microvm["endpoint"]
        self.trust = ssl.create_default_context(cafile=str(service.ca))
        granted = {"expirationInMinutes": 5, "allowedPorts": ports or [{"port": 8080}]}
        self.token = self.client.create_microvm_auth_token(microvmIdentifier=self.id, **granted)["authToken"]

    def connection(self) -> http.client.HTTPSConnection:
        """A new connection."""
        return http.client.HTTPSConnection(self.address, context=self.trust, timeout=20)

    def ask(self, path: str = "/", body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """Ask once."""
        connection = self.connection()
        try:
            connection.request("POST" if body is not None else "GET", path, body, {**self.token, **headers})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def ready(self) -> "Guest":
        """Ask until it answers."""
        waiting = threading.Event()
        while self.ask()[0] == 502:
            waiting.wait(0.01)
        return self


@pytest.fixture
def microvms(emulate: Callable[..., Account], tmp_path: Path) -> MicroVms:
    """Emulated MicroVMs, to which the environment points, with an image `runner` around a small server."""
    service = MicroVms()
    emulate(service)
    (tmp_path / "serve.py").write_text(SERVER)
    service.add_image(
        "runner", ["python3", "/opt/runner/serve.py"], shown=[(tmp_path, "/opt/runner")], environment={"MINE": "1"}
    )
    return service


def run(service: MicroVms, image: str = "runner", **given) -> dict:
    """Run a MicroVM."""
    arn = service.account.arn("lambda", f"microvm-image:{image}")
    return service.account.client("lambda-microvms").run_microvm(imageIdentifier=arn, **given)


def code_of(error: pytest.ExceptionInfo) -> str:
    """The code of a ClientError."""
    return error.value.response["Error"]["Code"]


def test_a_program_answers_behind_the_endpoint(microvms):
    """A MicroVM is pending at first; when its program listens, the endpoint passes requests on and answers back."""
    made = run(microvms)
    assert made["state"] == "PENDING"
    assert made["endpoint"].startswith("127.0.0.1:")
    guest = Guest(microvms, made).ready()
    assert guest.client.get_microvm(microvmIdentifier=guest.id)["state"] == "RUNNING"
    assert guest.ask("/echo", b"abc") == (200, b"cba")
    status, body = guest.ask("/", None, **{"X-aws-proxy-port": "8080", "X-aws-proxy-else": "1", "X-Mine": "2"})
    facts = json.loads(body)
    assert status == 200
    assert facts["headers"]["X-Mine"] == "2"
    assert not [name for name in facts["headers"] if name.lower().startswith("x-aws-proxy")]
    assert facts["variables"]["MINE"] == "1"
    assert facts["uid"] != 0


def test_the_endpoint_is_tls_of_the_tests_own_authority(microvms):
    """A client that does not trust the tests' authority gets no connection."""
    guest = Guest(microvms, run(microvms)).ready()
    stranger = http.client.HTTPSConnection(guest.address, context=ssl.create_default_context(), timeout=10)
    with pytest.raises(ssl.SSLCertVerificationError):
        stranger.request("GET", "/")
    stranger.close()


def test_tokens_are_checked(microvms):
    """No token, another MicroVM's, one for other ports, one that has expired: 403 each."""
    guest = Guest(microvms, run(microvms)).ready()
    other = Guest(microvms, run(microvms), ports=[{"range": {"startPort": 9000, "endPort": 9001}}])
    token, guest.token = guest.token, {}
    assert guest.ask()[0] == 403
    guest.token = other.token
    assert guest.ask()[0] == 403
    assert other.ask() == (403, b"Access to port denied")
    assert other.ask("/", None, **{"X-aws-proxy-port": "9001"})[0] == 502
    guest.token = token
    assert guest.ask()[0] == 200
    microvms.advance(301)
    assert guest.ask()[0] == 403
    with pytest.raises(botocore.exceptions.ClientError, match="less than or equal to 60"):
        guest.client.create_microvm_auth_token(
            microvmIdentifier=guest.id, expirationInMinutes=61, allowedPorts=[{"allPorts": {}}]
        )


def test_cold_requests(emulate, microvms):
    """The first requests may be answered 502 even though the program listens."""
    microvms.cold_requests = 2
    made = run(microvms)
    assert microvms.machine(made["microvmId"]).running.wait(20)
    guest = Guest(microvms, made)
    assert [guest.ask()[0] for _ in range(2)] == [502, 502]
    guest.ready()
    assert guest.ask()[0] == 200
    done = microvms.account.log.calls("Endpoint", executed=True)
    assert done[0].input == {"method": "GET", "path": "/", "port": 8080}


def test_bodies_stream_both_ways(microvms):
    """A body of unknown length arrives, and pieces of an answer come as they are made."""
    guest = Guest(microvms, run(microvms)).ready()
    connection = guest.connection()
    connection.request("POST", "/echo", iter([b"abc", b"def"]), guest.token, encode_chunked=True)
    assert connection.getresponse().read() == b"fedcba"
    connection.request("GET", "/stream", headers=guest.token)  # the same connection
    answer = connection.getresponse()
    assert answer.read1() == b"one"
    assert guest.ask("/go", b"")[0] == 200
    assert answer.read() == b"two"
    connection.close()


def test_what_breaks_off_inside_is_cut_off_outside(microvms):
    """An answer that ends before its length is no whole answer for the client either."""
    guest = Guest(microvms, run(microvms)).ready()
    with pytest.raises((http.client.IncompleteRead, ssl.SSLError, OSError)):
        guest.ask("/cut")


def test_terminating_kills_all_that_was_started(microvms):
    """A terminated MicroVM leaves no process, not even in a session of its own, and no endpoint; it can be repeated."""
    guest = Guest(microvms, run(microvms)).ready()
    assert guest.ask("/daemon", b"") == (200, b"started")
    machine = microvms.machine(guest.id)
    assert [each.name for each in machine.processes()][-1] == "sleep"
    gone = [os.pidfd_open(each.pid) for each in machine.processes()]
    guest.client.terminate_microvm(microvmIdentifier=guest.id)
    assert sorted(select.select(gone, [], [], 0)[0]) == sorted(gone)
    for each in gone:
        os.close(each)
    guest.client.terminate_microvm(microvmIdentifier=guest.id)
    shown = guest.client.get_microvm(microvmIdentifier=guest.id)
    assert shown["state"] == "TERMINATED"
    assert "terminatedAt" in shown
    with pytest.raises(ConnectionRefusedError):
        guest.ask()
    assert microvms.living() == []


def test_terminating_while_it_starts(microvms):
    """A MicroVM that is terminated at once leaves nothing either."""
    made = run(microvms)
    microvms.account.client("lambda-microvms").terminate_microvm(microvmIdentifier=made["microvmId"])
    assert microvms.machine(made["microvmId"]).processes() == []


def test_suspending_and_resuming(microvms):
    """A suspended MicroVM stands still; it goes on where it was, by a request where its policy says so."""
    policy = {"maxIdleDurationSeconds": 60, "suspendedDurationSeconds": 600, "autoResumeEnabled": True}
    guest = Guest(microvms, run(microvms, idlePolicy=policy)).ready()
    guest.client.suspend_microvm(microvmIdentifier=guest.id)
    assert guest.client.get_microvm(microvmIdentifier=guest.id)["state"] == "SUSPENDED"
    assert _states(microvms, guest) == {"T"}
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        guest.client.suspend_microvm(microvmIdentifier=guest.id)
    assert code_of(caught) == "ConflictException"
    guest.client.resume_microvm(microvmIdentifier=guest.id)
    assert guest.ask()[0] == 200
    microvms.advance(60)
    assert guest.client.get_microvm(microvmIdentifier=guest.id)["state"] == "SUSPENDED"
    assert guest.ask()[0] == 200


def _states(service: MicroVms, guest: Guest) -> set[str]:
    """What the kernel says of the processes inside."""
    processes = service.machine(guest.id).processes()
    return {Path(f"/proc/{each.pid}/stat").read_text().rpartition(")")[2].split()[0] for each in processes}


def test_time_ends_a_microvm(microvms):
    """One that has lived for as long as it may, or was suspended for as long, is terminated, with the reason."""
    policy = {"maxIdleDurationSeconds": 60, "suspendedDurationSeconds": 0, "autoResumeEnabled": False}
    idle = Guest(microvms, run(microvms, idlePolicy=policy)).ready()
    old = Guest(microvms, run(microvms, maximumDurationInSeconds=100)).ready()
    microvms.advance(61)
    assert microvms.living() == [old.id]
    microvms.advance(40)
    assert microvms.living() == []
    assert idle.client.get_microvm(microvmIdentifier=idle.id)["state"] == "TERMINATED"
    assert (
        old.client.get_microvm(microvmIdentifier=old.id)["stateReason"] == "The MicroVM reached its maximum duration."
    )


def test_time_passes_by_itself_too(microvms):
    """The longest duration is kept without anybody looking."""
    made = run(microvms, maximumDurationInSeconds=1)
    machine = microvms.machine(made["microvmId"])
    machine.running.wait(20)
    gone = [os.pidfd_open(each.pid) for each in machine.processes()]
    assert select.select(gone, [], [], 20)[0] == gone
    for each in gone:
        os.close(each)


def test_the_run_hook(microvms, tmp_path):
    """The run hook gets its payload, wrapped, before any request is let in; one that refuses ends the MicroVM."""
    shown = [(tmp_path, "/opt/runner")]
    microvms.add_image("hooked", ["python3", "/opt/runner/serve.py"], shown=shown, hooks=HOOKS)
    guest = Guest(microvms, run(microvms, "hooked", runHookPayload="token")).ready()
    guest.client.suspend_microvm(microvmIdentifier=guest.id)
    guest.client.resume_microvm(microvmIdentifier=guest.id)
    seen = json.loads(guest.ask()[1])["hooks"]
    assert seen == [["run", {"runHookPayload": "token"}], ["suspend", {}], ["resume", {}]]
    refused = run(microvms, "hooked", runHookPayload="refuse")["microvmId"]
    assert microvms.machine(refused).running.wait(20)
    shown = guest.client.get_microvm(microvmIdentifier=refused)
    assert shown["state"] == "TERMINATED"
    assert shown["stateReason"].startswith("Run lifecycle hook returned HTTP status 400.")


def test_running_is_checked(microvms):
    """An image must be named by its ARN and have an active version; a client token gives one MicroVM only."""
    client = microvms.account.client("lambda-microvms")
    with pytest.raises(botocore.exceptions.ClientError, match="Malformed ARN"):
        client.run_microvm(imageIdentifier="runner")
    with pytest.raises(botocore.exceptions.ClientError, match="Malformed network connector ARN"):
        run(microvms, egressNetworkConnectors=["INTERNET_EGRESS"])
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        run(microvms, "nothing")
    assert code_of(caught) == "ResourceNotFoundException"
    first = run(microvms, clientToken="once")
    assert run(microvms, clientToken="once")["microvmId"] == first["microvmId"]
    with pytest.raises(botocore.exceptions.ClientError, match="Conflict"):
        run(microvms, clientToken="once", maximumDurationInSeconds=5)
    assert first["egressNetworkConnectors"][0].endswith(":INTERNET_EGRESS")
    microvms.most = 1
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        run(microvms)
    assert code_of(caught) == "ServiceQuotaExceededException"


def test_lists_come_in_pages(microvms):
    """MicroVMs are listed in pages and by image, those that are over too."""
    ids = {run(microvms)["microvmId"] for _ in range(3)}
    client = microvms.account.client("lambda-microvms")
    client.terminate_microvm(microvmIdentifier=min(ids))
    arn = microvms.account.arn("lambda", "microvm-image:runner")
    pages = list(client.get_paginator("list_microvms").paginate(imageIdentifier=arn, PaginationConfig={"PageSize": 2}))
    assert [len(page["items"]) for page in pages] == [2, 1]
    found = {each["microvmId"]: each["state"] for page in pages for each in page["items"]}
    assert found.keys() == ids
    assert found[min(ids)] == "TERMINATED"
    assert client.list_microvms(imageIdentifier=arn + "x")["items"] == []


def test_faults_strike_the_endpoint(microvms):
    """The account's faults apply to requests of an endpoint, under the name of Endpoint."""
    guest = Guest(microvms, run(microvms)).ready()
    account = microvms.account
    account.fail("Endpoint", faults.cut("after"), calls=[1])
    with pytest.raises((OSError, http.client.HTTPException)):
        guest.ask("/echo", b"abc")
    assert account.log.calls("Endpoint")[-1].executed
    account.fail("Endpoint", faults.error("Unavailable", "Later.", status=503), calls=[1])
    assert guest.ask("/echo", b"abc") == (503, b"Later.")
    account.fail("Endpoint", faults.cut("middle"), calls=[1])
    with pytest.raises((OSError, http.client.HTTPException)):
        guest.ask("/echo", b"abc")
    assert guest.ask("/echo", b"abc") == (200, b"cba")


DOCKERFILE = """
# what a MicroVM runs
FROM public.ecr.aws/lambda/microvms:al2023-minimal
RUN dnf install -y python3 \\
    && dnf clean all
WORKDIR /app
COPY runner/ ./
ENV MINE=2 OTHER="a b"
EXPOSE 8080
CMD ["python3", "serve.py"]
"""


def built(service: MicroVms, name: str, artifact: bytes, **given) -> str:
    """Builds an image from a code artifact; gives its state."""
    service.objects["s3://bucket/artifact.zip"] = artifact
    client = service.account.client("lambda-microvms")
    made = client.create_microvm_image(
        name=name,
        baseImageArn=client.list_managed_microvm_images()["items"][0]["imageArn"],
        buildRoleArn="arn:aws:iam::123456789012:role/build",
        codeArtifact={"uri": "s3://bucket/artifact.zip"},
        **given,
    )
    assert made["imageVersion"] == "1.0"
    waiting = threading.Event()
    while (state := client.get_microvm_image(imageIdentifier=made["imageArn"])["state"]) == "CREATING":
        waiting.wait(0.01)
    return state


def test_an_image_is_built_from_its_dockerfile(microvms):
    """A code artifact with a Dockerfile becomes an image, tried out by its ready hook, whose command runs."""
    hooks = {"port": 8080, "microvmImageHooks": {"ready": "ENABLED"}}
    artifact = zip_of({"Dockerfile": DOCKERFILE, "runner/serve.py": SERVER})
    assert built(microvms, "made", artifact, hooks=hooks, tags={"a": "b"}) == "CREATED"
    guest = Guest(microvms, run(microvms, "made")).ready()
    variables = json.loads(guest.ask()[1])["variables"]
    assert (variables["MINE"], variables["OTHER"]) == ("2", "a b")
    arn = microvms.account.arn("lambda", "microvm-image:made")
    assert guest.client.get_microvm_image(imageIdentifier=arn)["latestActiveImageVersion"] == "1.0"
    guest.client.update_microvm_image_version(imageIdentifier=arn, imageVersion="1.0", status="INACTIVE")
    with pytest.raises(botocore.exceptions.ClientError, match="No active version found"):
        run(microvms, "made")
    with pytest.raises(botocore.exceptions.ClientError, match="already exists in this account"):
        built(microvms, "made", artifact)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"serve.py": SERVER}, "ARCHIVE_DOCKERFILE_NOT_FOUND"),
        ({"Dockerfile": "FROM x\nCOPY nothing /opt/\nCMD x\n"}, "CONTAINER_BUILD_FAILED"),
        ({"Dockerfile": 'FROM x\nCMD ["sleep", "60"]\n'}, "Ready hook invocation timed out after PT1S"),
    ],
)
def test_builds_that_fail(microvms, files, reason):
    """A build that fails says so in its image's state, and why in the summary of its build."""
    hooks = {"port": 8080, "microvmImageHooks": {"ready": "ENABLED", "readyTimeoutInSeconds": 1}}
    assert built(microvms, "broken", zip_of(files), hooks=hooks) == "CREATE_FAILED"
    client = microvms.account.client("lambda-microvms")
    arn = microvms.account.arn("lambda", "microvm-image:broken")
    (build,) = client.list_microvm_image_builds(imageIdentifier=arn, imageVersion="1.0")["items"]
    assert build["buildState"] == "FAILED"
    assert build["stateReason"].startswith(reason)
    with pytest.raises(botocore.exceptions.ClientError, match="No active version found"):
        run(microvms, "broken")
