"""``/v1/executions``: what the contract says, field by field and status by status."""

import asyncio
import base64
import json
import sqlite3

import httpx
import pytest

from host.http.app import create_app
from host.models import ExecutionRequest

FIELDS = {
    *(
        "id",
        "status",
        "reason",
        "value",
        "value_type",
        "stdout",
        "stderr",
        "truncated",
        "files",
        "displays",
        "exit_code",
    ),
    *("signal", "risks", "may_have_started", "usage", "adapter", "adapter_version", "language", "policy", "provenance"),
    *("started_at", "finished_at", "explain"),
}


def token(answer):
    """The kind of problem."""
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["status"] == answer.status_code
    assert document["title"]
    assert document["detail"]
    prefix, _, name = document["type"].rpartition(":")
    assert prefix == "urn:understudy:problem"
    return name


async def test_a_run_answers_with_every_field_of_the_contract(client):
    """One POST runs the program and answers 200 with the whole result."""
    answer = await client.post("/v1/executions", json={"code": "1 + 1"})
    assert answer.status_code == 200
    result = answer.json()
    assert set(result) >= FIELDS
    assert set(result["usage"]) == {"wall_ms", "cpu_ms", "peak_memory_bytes", "output_bytes", "priced"}
    assert set(result["provenance"]) == {"code_sha256", "inputs_sha256", "outputs_sha256", "policy_sha256"}
    assert (result["status"], result["value"], result["value_type"], result["adapter"]) == (
        "succeeded",
        2,
        "int",
        "scripted",
    )


async def test_the_whole_request_of_the_contract_is_taken(client):
    """Every field that the contract names is accepted, and typed values go in and come out in wire form."""
    wire = {"price": {"$type": "decimal", "value": "1.10"}, "$$own": [1, 2.5, None, "x"]}
    request = {
        "code": "inputs",
        "language": "python",
        "inputs": wire,
        "files": [{"path": "a.csv", "content_base64": base64.b64encode(b"a\n").decode()}],
        "policy": "data",
        "limits": {"max_execution_time": 2000, "max_memory_mb": 128},
        "adapter": None,
        "session": None,
        "idempotency_key": None,
        "actor": {"id": "agent-1", "type": "voice_agent"},
    }
    result = (await client.post("/v1/executions", json=request)).json()
    assert (result["status"], result["value"], result["policy"]) == ("succeeded", wire, "data")
    record = (await client.get(f"/v1/executions/{result['id']}")).json()
    assert record["actor"] == request["actor"]
    assert (record["code"], record["inputs"], record["input_files"]) == ("inputs", wire, request["files"])


@pytest.mark.parametrize(
    ("request_body", "kind"),
    [
        ({"code": "1", "policy": "nope"}, "unknown-policy"),
        ({"code": "1", "language": "cobol"}, "unknown-language"),
        ({"code": "1", "adapter": "nope"}, "unknown-adapter"),
        ({"code": "1", "limits": {"max_memory_mb": 129}}, "widened-limits"),
        ({"code": "1", "idempotency_key": "k"}, "not-supported-yet"),
        ({}, "invalid-request"),
        ({"code": 1}, "invalid-request"),
        ({"code": "1", "surprise": 1}, "invalid-request"),
        ({"code": "1", "limits": {"max_memory_mb": "5"}}, "invalid-request"),
        ({"code": "1", "limits": {"network_access": "yes"}}, "invalid-request"),
        ({"code": "1", "inputs": {"$type": "nope"}}, "invalid-request"),
        ({"code": "1", "inputs": [1]}, "invalid-request"),
        ({"code": "1", "files": [{"path": "../x", "content_base64": ""}]}, "invalid-request"),
        ({"code": "1", "files": [{"path": "x", "content_base64": "?"}]}, "invalid-request"),
        ({"code": "1", "id": "-"}, "invalid-request"),
        ([], "invalid-request"),
    ],
)
async def test_what_never_became_an_execution_is_422_and_leaves_no_record(client, request_body, kind):
    """A request that cannot be taken is refused with a stable type, and history stays empty."""
    answer = await client.post("/v1/executions", json=request_body)
    assert (answer.status_code, token(answer)) == (422, kind)
    assert (await client.get("/v1/executions")).json() == {"executions": [], "next": None}


async def test_errors_are_listed_field_by_field(client):
    """A validation error names each wrong field by its JSON pointer."""
    answer = await client.post("/v1/executions", json={"limits": {"max_memory_mb": -1}, "x/y": 1})
    pointers = {each["pointer"] for each in answer.json()["errors"]}
    assert pointers == {"/code", "/limits/max_memory_mb", "/x~1y"}


async def test_a_denial_is_a_recorded_execution(client):
    """What validation denies answers 200 with status denied and the risk, and is in history."""
    answer = await client.post("/v1/executions", json={"code": "import os"})
    assert (answer.status_code, answer.json()["status"]) == (200, "denied")
    assert answer.json()["risks"][0]["rule"] == "import"
    assert (await client.get(f"/v1/executions/{answer.json()['id']}")).json()["status"] == "denied"


async def test_an_id_is_taken_once(client):
    """The caller's own id is used; a second use is 409 and changes nothing."""
    first = await client.post("/v1/executions", json={"code": "1 + 1", "id": "mine"})
    again = await client.post("/v1/executions", json={"code": "inputs", "id": "mine"})
    assert first.json()["id"] == "mine"
    assert (again.status_code, token(again)) == (409, "duplicate-execution")
    assert (await client.get("/v1/executions/mine")).json()["value"] == 2


async def test_nothing_may_serve(running_host):
    """With every adapter and the placeholder switched off, the answer is 503."""
    async with (
        running_host(adapters__prefer=["placeholder"], adapters__placeholder__enabled=False) as host,
        httpx.AsyncClient(transport=httpx.ASGITransport(create_app(host=host)), base_url="http://localhost") as client,
    ):
        answer = await client.post("/v1/executions", json={"code": "1"})
        assert (answer.status_code, token(answer)) == (503, "nothing-can-serve")
        ready = await client.get("/readyz")
        assert (ready.status_code, token(ready)) == (503, "not-ready")
        assert ready.json()["serving"] == []


@pytest.mark.parametrize(
    ("content", "status", "kind"),
    [
        (b"", 400, "malformed-json"),
        (b"{", 400, "malformed-json"),
        (b'{"code": "\xff"}', 400, "malformed-json"),
        (b'\xef\xbb\xbf{"code": "1"}', 400, "malformed-json"),
        ('{"code": "1"}'.encode("utf-16"), 400, "malformed-json"),
        (b'{"code": "1", "code": "2"}', 400, "malformed-json"),
        (b'{"code": "1", "inputs": {"a": {"b": 1, "b": 2}}}', 400, "malformed-json"),
        (b'{"code": "1", "inputs": {"a": NaN}}', 400, "malformed-json"),
        (b'{"code": "1", "inputs": {"a": -Infinity}}', 400, "malformed-json"),
        (b'{"code": "1", "inputs": {"a": 1e999}}', 400, "malformed-json"),
        (b'{"code": "1"} x', 400, "malformed-json"),
        (b'{"code": "a\x00b"}', 400, "malformed-json"),
        (b'{"code": "\\ud800"}', 422, "invalid-request"),
        (b'{"code": "1", "inputs": {"a": ' + b"9" * 5000 + b"}}", 422, "invalid-request"),
        (b'{"code": "1", "inputs": {"a": ' + b"[" * 150 + b"]" * 150 + b"}}", 422, "invalid-request"),
        (b'{"code": "1", "inputs": {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}", 422, "invalid-request"),
        (b"[" * 1_000_000, 422, "invalid-request"),
        (b"null", 422, "invalid-request"),
    ],
)
async def test_what_is_not_plain_json_is_refused(client, content, status, kind):
    """JSON that two readers could read in two ways, other encodings, and endless nesting: a problem, never a fault."""
    answer = await client.post("/v1/executions", content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, token(answer)) == (status, kind)


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json"]
)
async def test_a_body_says_that_it_is_json(client, kind):
    """Anything but application/json is 415: a page of another origin cannot send that without asking first."""
    headers = {"content-type": kind} if kind else {}
    answer = await client.post("/v1/executions", content=b'{"code": "1"}', headers=headers)
    assert (answer.status_code, token(answer)) == (415, "unsupported-media-type")


async def test_a_large_request_is_read_without_stopping_the_others(client):
    """Megabytes of inputs come back as they went in."""
    inputs = {"rows": [[number, "x" * 20] for number in range(30_000)]}
    answer = await client.post("/v1/executions", json={"code": "inputs", "inputs": inputs})
    assert answer.json()["value"] == inputs


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/nowhere", 404, None),
        ("GET", "/v1/executions/nobody", 404, None),
        ("GET", "/v1/executions/", 404, None),
        ("DELETE", "/v1/executions/nobody", 404, None),
        ("PUT", "/v1/executions", 405, "GET, POST"),
        ("POST", "/v1/executions/x", 405, "DELETE, GET"),
        ("DELETE", "/livez", 405, "GET"),
        ("GET", "/v1/executions?limit=0", 422, None),
        ("GET", "/v1/executions?status=nope", 422, None),
        ("GET", "/v1/executions?before=nobody", 404, None),
    ],
)
async def test_every_error_is_a_problem(client, method, path, status, allow):
    """Addresses, methods and parameters that are wrong are told as problem+json; 405 lists all methods of the
    address.
    """
    answer = await client.request(method, path)
    token(answer)
    assert (answer.status_code, answer.headers.get("allow")) == (status, allow)


async def test_history_pages(client):
    """Newest first; `next` leads through all pages; filters narrow."""
    for number in range(5):
        await client.post(
            "/v1/executions", json={"code": "1 + 1", "id": f"r{number}", "actor": {"id": f"a{number % 2}"}}
        )
    first = (await client.get("/v1/executions", params={"limit": 3})).json()
    second = (await client.get("/v1/executions", params={"limit": 3, "before": first["next"]})).json()
    assert [each["id"] for each in first["executions"] + second["executions"]] == ["r4", "r3", "r2", "r1", "r0"]
    assert second["next"] is None
    narrowed = (await client.get("/v1/executions", params={"actor": "a1", "status": "succeeded"})).json()
    assert [each["id"] for each in narrowed["executions"]] == ["r3", "r1"]


async def test_a_running_program_can_be_looked_up_and_cancelled(client, scripted):
    """GET shows null as its status; DELETE answers when it is dead and recorded, with what it had written; the caller
    too gets that.
    """
    run = asyncio.create_task(client.post("/v1/executions", json={"code": '"wait"', "id": "mine"}))
    await scripted.began.wait()
    assert (await client.get("/v1/executions/mine")).json()["status"] is None
    answer = await client.delete("/v1/executions/mine")
    assert scripted.stopped.is_set()
    assert (answer.status_code, answer.json()["status"], answer.json()["stdout"]) == (200, "cancelled", "partial")
    assert (await run).json()["status"] == "cancelled"
    assert (await client.delete("/v1/executions/mine")).status_code == 200


async def test_what_has_ended_cannot_be_cancelled(client):
    """DELETE of an execution that ended by itself is 409, and its record stays."""
    await client.post("/v1/executions", json={"code": "1 + 1", "id": "mine"})
    answer = await client.delete("/v1/executions/mine")
    assert (answer.status_code, token(answer)) == (409, "already-ended")
    assert (await client.get("/v1/executions/mine")).json()["status"] == "succeeded"


async def test_what_another_host_runs_is_not_cancelled_here(host, client):
    """An execution without an end that does not run here is 409 owned-elsewhere."""
    request = ExecutionRequest(code="1", id="theirs")
    await host.store.begin(request, host.policies["strict"], owner="another")
    answer = await client.delete("/v1/executions/theirs")
    assert (answer.status_code, token(answer)) == (409, "owned-elsewhere")


async def test_a_caller_that_goes_away_stops_its_program(served):
    """The program is stopped, and its record says cancelled."""
    with served() as (_, url):
        async with httpx.AsyncClient(base_url=url) as client, httpx.AsyncClient(base_url=url) as impatient:
            run = asyncio.create_task(impatient.post("/v1/executions", json={"code": '"wait"', "id": "mine"}))
            while (await client.get("/v1/executions/mine")).status_code == 404:
                pass
            run.cancel()
            while (record := (await client.get("/v1/executions/mine")).json())["status"] is None:
                pass
    assert (record["status"], record["stdout"], record["may_have_started"]) == ("cancelled", "partial", True)


async def test_a_store_that_cannot_write_runs_nothing(host, client, scripted):
    """With the store gone, the answer is 503 and the program was not started."""
    await host.store.aclose()
    answer = await client.post("/v1/executions", json={"code": "1 + 1"})
    assert (answer.status_code, token(answer)) == (503, "store")
    assert not scripted.began.is_set()


async def test_validation_runs_nothing_and_records_nothing(client, scripted):
    """POST /v1/validate answers with verdict, risks, deterministic and effect_free."""
    safe = (await client.post("/v1/validate", json={"code": "1 + 1"})).json()
    assert (safe["verdict"], safe["risks"], safe["deterministic"], safe["effect_free"]) == ("safe", [], True, True)
    denied = (await client.post("/v1/validate", json={"code": "import os", "policy": "strict"})).json()
    assert (denied["verdict"], denied["risks"][0]["line"]) == ("denied", 1)
    unknown = await client.post("/v1/validate", json={"code": "1", "policy": "nope"})
    assert (unknown.status_code, token(unknown)) == (422, "unknown-policy")
    assert not scripted.began.is_set()
    assert (await client.get("/v1/executions")).json()["executions"] == []


async def test_the_catalogue_tells_what_is_there(client):
    """Adapters, policies, languages and plugins, each with what the host knows of them."""
    adapters = (await client.get("/v1/adapters")).json()
    assert [each["name"] for each in adapters if each["serving"]] == ["scripted", "placeholder"]
    assert next(each for each in adapters if each["name"] == "sandbox")["remedy"]
    policies = (await client.get("/v1/policies")).json()
    assert [(each["name"], each["default"]) for each in policies] == [("strict", True), ("data", False)]
    languages = {each["name"]: each for each in (await client.get("/v1/languages")).json()}
    assert languages["python"]["adapters"] == ["scripted", "placeholder"]
    assert "rules" in {each["name"] for each in (await client.get("/v1/plugins")).json()["loaded"]}


async def test_health(client):
    """Alive, ready with what serves, and healthy in one look."""
    assert (await client.get("/livez")).json() == {"status": "ok"}
    ready = (await client.get("/readyz")).json()
    assert (ready["ready"], ready["runs_code"], ready["serving"][0]) == (True, True, "scripted")
    health = (await client.get("/health")).json()
    assert (health["status"], health["running"], health["broken_plugins"]) == ("ok", 0, 0)
    assert json.dumps(health)


async def test_a_caller_that_goes_away_before_the_start_leaves_an_end(host, state_dir, scripted):
    """Cancelled while the intent is on its way to the disk: nothing runs, and the record says so."""
    request = ExecutionRequest(code="1 + 1", id="mine")
    other = sqlite3.connect(state_dir / "understudy.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # the store has to wait
    run = asyncio.create_task(host.execute(request))
    for _ in range(20):
        await host.store.list()  # the intent is queued after a few turns of the loop
    run.cancel()
    other.execute("ROLLBACK")
    other.close()
    with pytest.raises(asyncio.CancelledError):
        await run
    line = (await host.store.get("mine")).summary
    assert (line.status, line.may_have_started, line.adapter) == ("cancelled", False, "scripted")
    assert not scripted.began.is_set()
