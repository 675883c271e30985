"""Images and a registry: names, credentials, and a registry that keeps what it is sent."""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.container import building
from adapters.container.context import Context
from adapters.container.images import LABELS, Image
from adapters.container.registry import credentials, push, registry_of
from adapters.container.rootfs import Entry, layer
from host.errors import AdapterError

_SECRET = "hunter2"


class Registry:
    """A registry on a port of this machine's own, as the engine speaks with one.

    Args:
        user, password: who may write; "" lets everybody.
    """

    def __init__(self, user: str = "", password: str = "") -> None:
        self.manifests: dict[str, bytes] = {}
        self.blobs: dict[str, bytes] = {}
        self.uploads: dict[str, bytes] = {}
        self.basic = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode() if user else ""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.registry = self
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "Registry":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Docker-Distribution-Api-Version": "registry/2.0", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _serve(self) -> None:
        registry: Registry = self.server.registry
        body = self._body()
        shown = self.headers.get("Authorization")
        if registry.basic and shown != registry.basic:
            code = "DENIED" if shown else "UNAUTHORIZED"
            words = json.dumps({"errors": [{"code": code, "message": f"{code.lower()} by the tests"}]}).encode()
            kind = {"Content_Type": "application/json"}
            if not shown:
                self._answer(401, words, WWW_Authenticate='Basic realm="tests"', **kind)
            else:  # a 401 here would have the engine try for a minute
                self._answer(404 if self.command == "HEAD" else 403, words, **kind)
            return
        path, _, query = self.path.partition("?")
        last = path.rpartition("/")[2]
        if self.command == "POST":
            registry.uploads[place := f"{path.rstrip('/')}/{len(registry.uploads)}"] = b""
            self._answer(202, Location=place, Docker_Upload_UUID=place[-1], Range="0-0")
        elif self.command == "PATCH":
            registry.uploads[path] += body
            self._answer(202, Location=path, Range=f"0-{len(registry.uploads[path]) - 1}")
        elif "/uploads/" in path:
            content = registry.uploads.pop(path) + body
            registry.blobs[digest := "sha256:" + hashlib.sha256(content).hexdigest()] = content
            self._answer(201 if digest in query.replace("%3A", ":") else 400, Docker_Content_Digest=digest)
        elif "/blobs/" in path:
            known = registry.blobs.get(last)
            if known is None:
                self._answer(404)
            else:
                self._answer(200, Content_Length=str(len(known)), Docker_Content_Digest=last)
        elif self.command == "PUT":
            registry.manifests[path] = body
            self._answer(201, Docker_Content_Digest="sha256:" + hashlib.sha256(body).hexdigest())
        else:
            self._answer(200 if path == "/v2/" else 404)


for _method in ("GET", "HEAD", "POST", "PATCH", "PUT"):
    setattr(_Handler, f"do_{_method}", _Handler._serve)


def test_the_registry_of_a_name():
    """A name says its registry as Docker reads it."""
    assert registry_of("registry.example/team/x") == "registry.example"
    assert registry_of("localhost:5000/x") == "localhost:5000"
    assert registry_of("team/x") == "docker.io"


def _docker_config(folder: Path, content: object) -> dict[str, str]:
    (folder / "config.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return {"DOCKER_CONFIG": str(folder)}


async def test_credentials_are_those_of_docker_login(tmp_path: Path):
    """What `docker login` has kept is found, in each of its forms; where it kept nothing there is none."""
    auth = base64.b64encode(f"me:{_SECRET}".encode()).decode()
    variables = _docker_config(
        tmp_path,
        {
            "auths": {
                "one.example": {"auth": auth},
                "https://two.example": {"identitytoken": "t"},
                "https://index.docker.io/v1/": {"username": "you", "password": _SECRET},
            }
        },
    )
    one = {"username": "me", "password": _SECRET, "serveraddress": "one.example"}
    assert await credentials("one.example", variables) == one
    assert (await credentials("two.example", variables) or {})["identitytoken"] == "t"
    assert (await credentials("docker.io", variables) or {})["username"] == "you"
    assert await credentials("three.example", variables) is None
    assert await credentials("one.example", {"DOCKER_CONFIG": str(tmp_path / "nowhere")}) is None


async def test_credentials_of_a_helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A credential helper is asked as Docker asks it; one that is missing is named."""
    helper = tmp_path / "docker-credential-vault"
    helper.write_text(f'#!/bin/sh\nread key\necho "{{\\"Username\\": \\"$key\\", \\"Secret\\": \\"{_SECRET}\\"}}"\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    variables = _docker_config(tmp_path, {"credsStore": "vault", "credHelpers": {"other.example": "lost"}})
    found = await credentials("one.example", variables)
    assert found == {"username": "one.example", "password": _SECRET, "serveraddress": "one.example"}
    with pytest.raises(AdapterError, match="docker-credential-lost"):
        await credentials("other.example", variables)


@pytest.mark.parametrize("content", [f'{{"auths": "{_SECRET}', f'{{"auths": "{_SECRET}"}}', f'["{_SECRET}"]'])
async def test_a_broken_configuration_does_not_tell_its_secrets(tmp_path: Path, content):
    """A file that cannot be read is named; what is in it is not repeated."""
    with pytest.raises(AdapterError, match=r"config\.json") as raised:
        await credentials("one.example", _docker_config(tmp_path, content))
    assert _SECRET not in str(raised.value)


@pytest_asyncio.fixture(loop_scope="session")
async def small(engine):
    """A small image with the labels of one of ours."""
    labels = " ".join(f"understudy.{name}=x" for name in LABELS)
    one = layer("one", {"readme": Entry("file", Path(__file__), 0o644)})
    context = Context(f"FROM scratch\nCOPY one/ /\nLABEL {labels}\n", [one])
    await building._send(engine, context, lambda line: None, {"t": "understudy-test-small:1"})
    yield Image.of(await engine.images.inspect("understudy-test-small:1"))
    await engine.images.delete("understudy-test-small:1", force=True)


async def test_an_image_is_sent_to_a_registry(engine, small, tmp_path: Path):
    """Pushing sends both names, with the credentials of `docker login`."""
    with Registry("me", _SECRET) as registry:
        auth = {"auth": base64.b64encode(f"me:{_SECRET}".encode()).decode()}
        variables = _docker_config(tmp_path, {"auths": {registry.address: auth}})
        lines: list[str] = []
        found = await credentials(registry_of(f"{registry.address}/team/x"), variables)
        names = await push(engine, small, f"{registry.address}/team/", lines.append, found)
        for name in names:
            await engine.images.delete(name)
        assert names == [f"{registry.address}/team/understudy-guest-x:{tag}" for tag in ("x", "latest")]
        assert set(registry.manifests) == {f"/v2/team/understudy-guest-x/manifests/{tag}" for tag in ("x", "latest")}
        manifest = json.loads(next(iter(registry.manifests.values())))
        assert manifest["layers"][0]["digest"] in registry.blobs
    assert lines
    assert _SECRET not in "".join(lines)


async def test_a_registry_that_refuses_is_named(engine, small):
    """A registry that wants other credentials is named with its words; no name is left that says that it has it."""
    with Registry("me", _SECRET) as registry:
        wrong = {"username": "me", "password": "wrong-password"}
        with pytest.raises(AdapterError, match="denied by the tests") as raised:
            await push(engine, small, f"{registry.address}/team", lambda line: None, wrong)
    assert registry.address in raised.value.message
    assert "docker login" in raised.value.remedy
    assert "wrong-password" not in str(raised.value)
    assert not await engine.images.list(filters={"reference": [f"{registry.address}/team/*"]})
