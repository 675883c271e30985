"""Who is let in, how much they may send, and what they are told when something breaks."""

import asyncio
import socket

import httpx
import pytest
from fastapi import APIRouter

from host.errors import ConfigurationError
from host.hookspecs import hookimpl
from host.http.app import create_app
from host.http.guard import is_loopback, refuse_open_door
from host.http.server import run
from host.settings import ServerSettings, Settings
from host.specs import RouteSpec


def caller(app, **options):
    """A client that does not see the exceptions of the application, as over a real connection."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700", **options)


@pytest.mark.parametrize(
    "name", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1", "[::1]", "::ffff:127.0.0.1"]
)
def test_this_machine(name):
    """Names and addresses that can only mean this machine."""
    assert is_loopback(name)


@pytest.mark.parametrize(
    "name", ["0.0.0.0", "::", "10.0.0.1", "example.org", "localhost.example.org", "127.0.0.1.nip.io", ""]
)
def test_not_this_machine(name):
    """Everything else, the addresses that mean all of them included."""
    assert not is_loopback(name)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_without_keys_only_this_machine_is_served(address):
    """Listening where others reach it, without keys, refuses to start and says what to do; with keys it may."""
    with pytest.raises(ConfigurationError, match=r"server\.api_keys"):
        refuse_open_door(ServerSettings(host=address))
    refuse_open_door(ServerSettings(host=address, api_keys=("k",)))


async def test_an_application_with_an_open_door_is_not_built(running_host):
    """create_app itself refuses, whatever server would run it."""
    async with running_host(server__host="0.0.0.0") as host:
        with pytest.raises(ConfigurationError):
            create_app(host=host)


@pytest.mark.parametrize(
    "name",
    ["evil.example", "evil.example:8700", "127.0.0.1.evil.example", "0.0.0.0:8700", "localhost@evil.example", ""],
)
async def test_a_foreign_host_is_refused(client, name):
    """A page that made its own name point here (DNS rebinding) sends that name, and gets 403."""
    answer = await client.get("/v1/executions", headers={"host": name})
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")


@pytest.mark.parametrize("name", ["localhost", "localhost:8700", "127.0.0.1:9999", "[::1]:8700", "LocalHost:8700"])
async def test_ones_own_host_is_let_in(client, name):
    """Every name of this machine, forwarded ports too."""
    assert (await client.get("/v1/executions", headers={"host": name})).status_code == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:8700", 200),
        ("http://localhost:8700", 200),
        ("http://localhost:3000", 403),
        ("https://127.0.0.1:8700", 403),
        ("https://evil.example", 403),
        ("null", 403),
        ("http://127.0.0.1:x", 403),
        ("http://[", 403),
    ],
)
async def test_a_page_of_another_origin_is_refused(client, origin, status):
    """Only pages that this service serves may call it from a browser."""
    answer = await client.post("/v1/executions", json={"code": "1 + 1"}, headers={"origin": origin})
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 401),
        ("Bearer wrong", 401),
        ("Bearer", 401),
        ("Basic Zmlyc3Q=", 401),
        ("first-key", 401),
        ("Bearer first-key", 200),
        ("bearer second-kéy", 200),
    ],
)
async def test_a_key_is_needed_where_keys_are_set(running_host, header, status):
    """Any of the keys lets in, nothing else does; the refusal says how, and shows no key."""
    async with (
        running_host(server__api_keys=["first-key", "second-kéy"]) as host,
        caller(create_app(host=host)) as client,
    ):
        headers = {"authorization": header.encode()} if header else {}
        answer = await client.get("/v1/executions", headers={**headers, "host": "service.example"})
        assert answer.status_code == status
        if status == 401:
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.headers["content-type"] == "application/problem+json"
            assert "first-key" not in answer.text
        for path in ("/livez", "/readyz", "/health"):
            assert (await client.get(path)).status_code == 200


async def test_a_body_that_is_too_long_is_refused(running_host):
    """By its stated length before it is read, and by counting where no length is stated."""
    async with running_host(server__max_request_bytes=2000) as host, caller(create_app(host=host)) as client:
        kind = {"content-type": "application/json"}

        async def in_pieces():
            for _ in range(100):
                yield b" " * 100

        for content in (b" " * 2001, in_pieces()):
            answer = await client.post("/v1/executions", content=content, headers=kind)
            assert (answer.status_code, answer.json()["type"]) == (413, "urn:understudy:problem:body-too-large")
        answer = await client.post("/v1/executions", json={"code": "1 + 1"})
        assert answer.status_code == 200


async def test_a_fault_shows_its_id_and_nothing_else(running_host, scripted, caplog):
    """An exception nobody foresaw is a 500 with an id; the log has the id and the traceback, the answer has neither
    text nor trace.
    """
    router = APIRouter()

    @router.get("/broken")
    async def broken():
        raise RuntimeError("SECRET")

    class Broken:
        @hookimpl
        def routes(self):
            yield RouteSpec("broken", lambda host: router)

    async with running_host(extra_plugins={"broken": Broken()}) as host, caller(create_app(host=host)) as client:
        answer = await client.get("/broken")
    document = answer.json()
    assert (answer.status_code, document["type"]) == (500, "urn:understudy:problem:internal")
    assert "SECRET" not in answer.text
    assert "Traceback" not in answer.text
    assert document["instance"] in caplog.text
    assert "SECRET" in caplog.text


async def test_broken_routes_are_dropped_and_shown(running_host):
    """A plugin whose routes cannot be loaded is named; all other routes serve, those of other plugins too."""
    good = APIRouter()

    @good.get("/extra")
    async def extra():
        return {"extra": True}

    class Mixed:
        @hookimpl
        def routes(self):
            yield RouteSpec("missing", "no.such.module:router")
            yield RouteSpec("wrong", lambda host: "no router")
            yield RouteSpec("good", lambda host: good)

    async with running_host(extra_plugins={"mixed": Mixed()}) as host, caller(create_app(host=host)) as client:
        assert (await client.get("/extra")).json() == {"extra": True}
        broken = (await client.get("/v1/plugins")).json()["broken"]
        assert {each["name"] for each in broken} == {"mixed"}
        assert any("no.such.module" in each["reason"] or "no" in each["reason"] for each in broken)
        assert (await client.get("/health")).json()["status"] == "degraded"


async def test_an_application_of_its_own_builds_and_closes_its_host(state_dir):
    """create_app(settings) starts a host with the application and closes it with it."""
    off = {"adapters.sandbox.enabled": False, "adapters.monty.enabled": False}
    app = create_app(Settings(state_dir=state_dir).with_overrides(off))
    async with app.router.lifespan_context(app), caller(app) as client:
        assert (await client.get("/livez")).status_code == 200
        host = app.state.host
    assert host.closing


def test_a_port_that_is_taken_is_named(tmp_path):
    """Serving on a port in use is a configuration error with its remedy."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = Settings(state_dir=tmp_path, server=ServerSettings(port=port))
        with pytest.raises(ConfigurationError, match=str(port)) as raised:
            asyncio.run(run(settings))
    assert "server.port" in raised.value.remedy
