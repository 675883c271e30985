"""What goes wrong between us and an engine, from the libraries' classes to engines that answer nonsense."""

import asyncio
import inspect
import json
import os
import socket
import ssl
from pathlib import Path

import aiodocker
import aiodocker.exceptions
import aiohttp
import pytest
from aiohttp import client_exceptions, http_exceptions

from adapters.container.engine import addresses, connect, greet
from adapters.container.errors import ENGINE_ERRORS, KINDS, as_adapter_error, clean, translating
from adapters.container.settings import ContainerSettings
from adapters.container.survey import findings, runtime_finding, survey
from host.errors import AdapterError

_SECRET = "hunter2-hunter2"


def _classes() -> list[type[BaseException]]:
    """Every exception class that the libraries have for their callers."""
    places = (aiodocker.exceptions, aiodocker, client_exceptions, http_exceptions, aiohttp)
    found = {
        each
        for place in places
        for _, each in inspect.getmembers(place, inspect.isclass)
        if issubclass(each, Exception) and each.__module__.startswith(("aiodocker", "aiohttp"))
    }
    return sorted(found, key=lambda each: f"{each.__module__}.{each.__name__}")


_NO_WAY_THERE = {"BadContentDispositionHeader", "BadContentDispositionParam"}
"""Warnings of multipart bodies, which no engine sends and nobody raises."""


@pytest.mark.parametrize("error", _classes(), ids=lambda each: each.__name__)
def test_every_class_of_the_libraries_is_mapped(error):
    """Each exception class of aiodocker and aiohttp is named in our table, and `except ENGINE_ERRORS` takes it."""
    if error.__name__ in _NO_WAY_THERE:
        assert issubclass(error, Warning)
        return
    assert error in KINDS
    assert issubclass(error, ENGINE_ERRORS)


def test_the_list_of_classes_is_no_empty_one():
    """The libraries' classes are found where this test looks for them."""
    names = {each.__name__ for each in _classes()}
    assert {"DockerError", "DockerStreamError", "ClientConnectorError", "BadStatusLine", "EofStream"} <= names


@pytest.mark.parametrize(
    "error",
    [TimeoutError(), ConnectionResetError(), BrokenPipeError(), ssl.SSLError("x"), asyncio.IncompleteReadError(b"", 1)],
    ids=lambda each: type(each).__name__,
)
def test_what_the_system_raises_is_mapped(error):
    """Errors of sockets, certificates and time limits leave as our own."""
    assert isinstance(as_adapter_error(error, "probing"), AdapterError)
    assert isinstance(error, ENGINE_ERRORS)


def test_ours_stay_as_they_are():
    """An error that is ours already is not wrapped a second time."""
    error = AdapterError("x", may_have_started=False)
    assert as_adapter_error(error, "running") is error


_GONE = aiodocker.DockerError(900, "Cannot connect to Docker Engine")
_CUT = aiohttp.ServerDisconnectedError()
_LATE = TimeoutError()
_NO_CONTAINER = aiodocker.DockerError(404, "No such container: 1a2b")
_BAD = aiodocker.DockerError(400, "invalid reference format")


@pytest.mark.parametrize(
    ("error", "phase", "retryable", "may_have_started", "lost"),
    [
        (_GONE, "creating", True, False, False),
        (_CUT, "creating", True, False, False),
        (_LATE, "creating", True, False, False),
        (_BAD, "creating", False, False, False),
        (_GONE, "probing", True, False, False),
        (_GONE, "running", True, True, True),
        (_CUT, "running", True, True, True),
        (_LATE, "running", True, True, True),
        (_NO_CONTAINER, "running", True, True, True),
        (_BAD, "running", False, True, False),
        (_CUT, "removing", True, True, False),
    ],
)
def test_what_it_means_follows_from_where_it_was(error, phase, retryable, may_have_started, lost):
    """Before a program nothing has started; a connection that breaks while one runs loses it; after it, it is over."""
    ours = as_adapter_error(error, phase)
    assert (ours.retryable, ours.may_have_started, ours.lost) == (retryable, may_have_started, lost)


@pytest.mark.parametrize(
    ("status", "words", "remedy"),
    [
        (404, "No such image: understudy-guest-python:1", "understudy image build"),
        (400, "Unknown runtime specified runsc", "daemon.json"),
        (400, "client version 1.99 is too new. Maximum supported API version is 1.41", "Docker 20.10"),
        (
            500,
            "failed to create shim task: OCI runtime create failed: cgroups in hybrid mode not supported: unknown",
            "control groups",
        ),
        (500, "OCI runtime create failed: runc create failed: unable to start container process", "journalctl"),
        (500, "failed to create shim: exec: /opt/x: exec format error", "not for this machine"),
        (500, "write /var/lib/docker/tmp/x: no space left on device", "Make room"),
        (409, "Conflict. The container name is in use", "at this moment"),
        (404, "No such container: 1a2b", "docker ps"),
        (401, "unauthorized: incorrect username or password", "docker login"),
        (403, "denied: requested access to the resource is denied", "docker login"),
        (0, "toomanyrequests: You have reached your pull rate limit", "wait"),
        (0, "Get https://registry.example/v2/: dial tcp: lookup registry.example: no such host", "cannot reach"),
        (503, "This node is not a swarm manager", "log"),
    ],
)
def test_the_words_of_the_engine_lead_to_the_remedy(status, words, remedy):
    """Each refusal carries the engine's words and what to do about them."""
    ours = as_adapter_error(aiodocker.DockerError(status, words), "creating", "image x")
    assert words.split(":")[0] in ours.message
    assert ours.message.startswith("image x: ")
    assert remedy in ours.remedy


@pytest.mark.parametrize(
    "words",
    [
        f"Get https://user:{_SECRET}@registry.example/v2/: refused",
        f'bad header X-Registry-Auth: "{_SECRET}"',
        f'{{"username":"me","password":"{_SECRET}"}} is wrong',
        f"Authorization: Bearer {_SECRET}",
        f"Authorization: Basic {_SECRET}==",
        f"https://registry.example/token?token={_SECRET}&scope=x",
        f"identitytoken={_SECRET}",
        "X-Registry-Auth eyJ1c2VybmFtZSI6Im1lIiwicGFzc3dvcmQiOiJodW50ZXIyLWh1bnRlcjIifQ==",
    ],
)
def test_credentials_never_appear(words):
    """Whatever an engine or a registry repeats of credentials, our message has none of them."""
    ours = as_adapter_error(aiodocker.DockerStreamError(words), "creating")
    assert _SECRET not in str(ours)
    assert "eyJ" not in str(ours)


def test_words_are_one_ordinary_line():
    """What an engine says is cut to a length, and has no line breaks or escape sequences."""
    said = clean("one\r\n\x1b[31mtwo\x00" + "x" * 5000)
    assert said.startswith("one [31mtwo x")
    assert len(said) < 700


def test_translating_lets_cancelling_through():
    """Cancelling is no error of the engine's; it stays what it is."""
    with pytest.raises(asyncio.CancelledError), translating("running"):
        raise asyncio.CancelledError


def test_addresses_in_their_order():
    """The setting wins over DOCKER_HOST, and that over the sockets where Docker and Podman usually are."""
    assert addresses("tcp://a:1", {"DOCKER_HOST": "tcp://b:1"}) == ("tcp://a:1",)
    assert addresses("", {"DOCKER_HOST": "tcp://b:1"}) == ("tcp://b:1",)
    found = addresses("", {"XDG_RUNTIME_DIR": "/run/me"})
    assert found[:2] == ("unix:///var/run/docker.sock", "unix:///run/me/docker.sock")
    assert found[-2:] == ("unix:///run/me/podman/podman.sock", "unix:///run/podman/podman.sock")


async def test_nobody_is_there(tmp_path: Path):
    """An address without an engine is named, with how to start one."""
    with pytest.raises(AdapterError, match="nowhere") as raised:
        connect(ContainerSettings(host=f"unix://{tmp_path}/nowhere.sock"))
    assert "systemctl start docker" in raised.value.remedy
    assert raised.value.retryable
    assert not raised.value.may_have_started


async def test_no_engine_is_installed(monkeypatch: pytest.MonkeyPatch):
    """Where there is neither a socket nor a program, the remedy says how to install one."""
    monkeypatch.setattr("adapters.container.engine.addresses", lambda *_: ("unix:///nowhere.sock",))
    monkeypatch.setattr("adapters.container.engine.shutil.which", lambda _: None)
    with pytest.raises(AdapterError, match="installed") as raised:
        connect(ContainerSettings(), {})
    assert "apt-get install docker.io" in raised.value.remedy


@pytest.mark.parametrize("address", ["ssh://user@host", "npipe:////./pipe/docker", "nonsense", "tcp://"])
async def test_what_is_no_address(address):
    """An address of another kind is refused with one that would do."""
    with pytest.raises(AdapterError, match="no address") as raised:
        connect(ContainerSettings(host=address))
    assert "unix:///var/run/docker.sock" in raised.value.remedy


async def test_certificates_that_are_not_there(tmp_path: Path):
    """An engine behind TLS without certificates is said so, with the folder."""
    with pytest.raises(AdapterError, match=str(tmp_path)) as raised:
        connect(ContainerSettings(host="https://127.0.0.1:1"), {"DOCKER_CERT_PATH": str(tmp_path)})
    assert "DOCKER_CERT_PATH" in raised.value.remedy


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_a_socket_that_is_shut_to_us(tmp_path: Path):
    """A user who may not use the socket is told how to, and what that means."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen()
        os.seteuid(64_999)
        try:
            with pytest.raises(AdapterError, match="may not use the socket") as raised:
                connect(ContainerSettings(host=f"unix://{tmp_path}/s"))
        finally:
            os.seteuid(0)
    assert "usermod -aG docker" in raised.value.remedy
    assert "as good as root" in raised.value.remedy


class _Strange:
    """Something that listens on a socket and is no engine as we know them.

    Args:
        path: of the socket.
        answer: what it says to whatever it is asked; None says nothing and hangs up.
    """

    def __init__(self, path: Path, answer: bytes | None) -> None:
        self._path = path
        self._answer = answer

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_unix_server(self._serve, self._path)
        return f"unix://{self._path}"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(4096):
            writer.write(self._answer or b"")
        writer.close()


def _http(body: bytes, status: str = "200 OK", kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (None, "cannot be reached"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no container engine that we understand"),
        (_http(b"<html>", kind="text/html"), "no container engine that we understand"),
        (_http(b"{"), "no container engine that we understand"),
        (_http(b"{}"), "no container engine that we understand"),
        (_http(b'{"message": "gone to lunch"}', "503 Service Unavailable"), "gone to lunch"),
        (_http(b'{"no": "message"}', "500 Internal Server Error"), "no container engine that we understand"),
        (_http(json.dumps({"ApiVersion": "1.24"}).encode()), "1.24"),
    ],
    ids=["hangs-up", "ssh", "html", "half", "empty", "busy", "wordless", "old"],
)
async def test_what_answers_is_strange(tmp_path: Path, answer, reason):
    """Whatever answers in place of an engine, it is told in our own error, and nothing leaks."""
    async with _Strange(tmp_path / "s", answer) as address:
        docker = connect(ContainerSettings(host=address))
        with pytest.raises(AdapterError, match=reason) as raised:
            await greet(docker)
        await docker.close()
    assert raised.value.remedy
    assert not raised.value.may_have_started


async def test_an_engine_that_does_not_answer(tmp_path: Path):
    """An engine that takes the connection and says nothing ends in our own error after the time that is set."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen()
        docker = connect(ContainerSettings(host=f"unix://{tmp_path}/s", engine_timeout_ms=50))
        with pytest.raises(AdapterError, match="in time") as raised:
            await greet(docker)
        await docker.close()
    assert raised.value.retryable


async def test_what_the_engine_is(engine):
    """The engine says its name, its version, what it can hold and which runtimes it has; all of it becomes findings."""
    known = await survey(engine)
    assert known.name in ("Docker", "Podman")
    assert known.system == "linux"
    assert known.default_runtime in known.runtimes
    assert known.limits["memory"]
    assert known.limits["pids"]
    said = findings(known)
    assert known.version in said[0].reason
    assert all(finding.ok or finding.remedy for finding in said)


async def test_a_runtime_that_the_engine_lacks(engine):
    """The finding names the runtimes there are, and how to add the one that is wanted."""
    known = await survey(engine)
    finding = runtime_finding(known, "kata-nowhere")
    assert not finding.ok
    assert known.default_runtime in finding.reason
    assert "daemon.json" in finding.remedy


async def test_refusals_of_a_real_engine(engine):
    """An image that is not there, and a container that is not, have their remedies."""
    with pytest.raises(AdapterError, match="o such image") as raised, translating("creating"):
        await engine.containers.create(config={"Image": "understudy-nowhere:1"})
    assert "understudy image build" in raised.value.remedy
    with pytest.raises(AdapterError, match="o such container") as raised, translating("running"):
        await engine.containers.container("0123456789ab").start()
    assert raised.value.lost


async def test_a_runtime_that_is_not_registered(engine, images, shut_in):
    """A container on a runtime that the engine has not got fails with how to register one."""
    shut_in["HostConfig"]["Runtime"] = "kata-nowhere"
    with pytest.raises(AdapterError, match="kata-nowhere") as raised, translating("creating"):
        await engine.containers.run(config={"Image": images["python"].id, **shut_in})
    assert "daemon.json" in raised.value.remedy
