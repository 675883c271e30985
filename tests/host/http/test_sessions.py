"""``/v1/sessions``: opened, listed, renewed and ended over HTTP, with every refusal as its problem."""

import asyncio

import pytest


def token(answer):
    """The kind of problem."""
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    return answer.json()["type"].rpartition(":")[2]


async def opened(client, **fields):
    """A new session."""
    answer = await client.post("/v1/sessions", json=fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_session_from_beginning_to_end(client):
    """Opened, shown, listed, used, renewed and ended; then it is gone, with its reason, and ending it again is fine."""
    asked = {"language": "py", "policy": "data", "idle_ms": 60_000, "id": "mine", "actor": {"id": "agent-1"}}
    answer = await client.post("/v1/sessions", json=asked)
    assert (answer.status_code, answer.headers["location"]) == (201, "/v1/sessions/mine")
    session = answer.json()
    assert (session["language"], session["policy"], session["adapter"]) == ("python", "data", "scripted")
    assert (session["state"], session["idle_ms"], session["actor"]["id"]) == ("idle", 60_000, "agent-1")
    result = (await client.post("/v1/executions", json={"code": "1 + 1", "session": "mine"})).json()
    assert (result["value"], result["session"], result["session_ended"]) == (2, "mine", False)
    shown = (await client.get("/v1/sessions/mine")).json()
    assert shown["used"]["commands"] == 1
    assert (await client.get("/v1/sessions")).json() == {"sessions": [shown]}
    for body in (None, {}, {"idle_ms": 120_000}):
        renewed = (await client.post("/v1/sessions/mine/renew", json=body)).json()
        assert renewed["expires_at"] > session["expires_at"]
    assert renewed["idle_ms"] == 120_000
    ended = (await client.delete("/v1/sessions/mine")).json()
    assert (ended["state"], ended["ended_by"], ended["expires_at"]) == ("ended", "caller", None)
    assert (await client.delete("/v1/sessions/mine")).json()["ended_at"] == ended["ended_at"]
    assert (await client.get("/v1/sessions")).json() == {"sessions": []}
    for gone in (
        await client.get("/v1/sessions/mine"),
        await client.post("/v1/sessions/mine/renew"),
        await client.post("/v1/executions", json={"code": "1 + 1", "session": "mine"}),
    ):
        assert (gone.status_code, token(gone)) == (410, "session-ended")
    page = (await client.get("/v1/executions", params={"session": "mine"})).json()
    assert [each["id"] for each in page["executions"]] == [result["id"]]


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"language": "cobol"}, 422, "unknown-language"),
        ({"language": "bash"}, 422, "session-not-served"),
        ({"adapter": "placeholder"}, 422, "session-not-served"),
        ({"policy": "none-such"}, 422, "unknown-policy"),
        ({"limits": {"max_memory_mb": 10**6}}, 422, "widened-limits"),
        ({"lifetime_ms": 10**9}, 422, "widened-limits"),
        ({"idle_ms": 0}, 422, "invalid-request"),
        ({"id": "not an id"}, 422, "invalid-request"),
        ({"code": "1"}, 422, "invalid-request"),
        ({"id": "taken"}, 409, "duplicate-session"),
    ],
)
async def test_what_cannot_be_opened_is_a_problem(client, body, status, kind):
    """Each refusal has its type, and nothing is opened."""
    await opened(client, id="taken")
    answer = await client.post("/v1/sessions", json=body)
    assert (answer.status_code, token(answer)) == (status, kind)
    assert len((await client.get("/v1/sessions")).json()["sessions"]) == 1


async def test_nobody_knows_an_unknown_session(client):
    """Every address of a session that never was answers 404."""
    for answer in (
        await client.get("/v1/sessions/nobody"),
        await client.delete("/v1/sessions/nobody"),
        await client.post("/v1/sessions/nobody/renew"),
        await client.post("/v1/executions", json={"code": "1", "session": "nobody"}),
    ):
        assert (answer.status_code, token(answer)) == (404, "unknown-session")


async def test_a_command_for_another_language_or_policy_is_refused(client):
    """The session fixes them; the problem says so."""
    await opened(client, id="mine")
    for other in ({"language": "bash"}, {"policy": "data"}):
        answer = await client.post("/v1/executions", json={"code": "1", "session": "mine", **other})
        assert (answer.status_code, token(answer)) == (422, "session-mismatch")


async def test_a_session_whose_process_dies_is_lost(client):
    """The command that took the process along says that its session is over; the next is told that it is lost."""
    await opened(client, id="mine")
    result = (await client.post("/v1/executions", json={"code": '"die"', "session": "mine"})).json()
    assert (result["status"], result["session_ended"]) == ("succeeded", True)
    answer = await client.post("/v1/executions", json={"code": "1 + 1", "session": "mine"})
    assert (answer.status_code, token(answer)) == (410, "session-lost")


async def test_a_full_host_and_a_full_queue_are_429(running_host, scripted):
    """Too many sessions, and too many commands for one, are refused with a type and a status that say: later."""
    from host.http.app import create_app

    async with running_host(sessions__max_sessions=1, sessions__max_queued=0) as host:
        import httpx

        transport = httpx.ASGITransport(create_app(host=host))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as client:
            await opened(client, id="mine")
            full = await client.post("/v1/sessions", json={})
            assert (full.status_code, token(full)) == (429, "sessions-full")
            waits = {"code": '"wait"', "session": "mine", "id": "waits"}
            first = asyncio.create_task(client.post("/v1/executions", json=waits))
            await scripted.began.wait()
            busy = await client.post("/v1/executions", json={"code": "1 + 1", "session": "mine"})
            assert (busy.status_code, token(busy)) == (429, "session-busy")
            await client.delete("/v1/executions/waits")
            assert (await first).json()["status"] == "cancelled"


async def test_ending_a_session_cancels_what_runs_in_it(client, scripted):
    """DELETE answers when the command is cancelled and recorded; its caller gets the result."""
    await opened(client, id="mine")
    body = {"code": '"wait"', "session": "mine", "id": "waits"}
    first = asyncio.create_task(client.post("/v1/executions", json=body))
    await scripted.began.wait()
    assert (await client.delete("/v1/sessions/mine")).json()["used"]["commands"] == 1
    result = (await first).json()
    assert (result["status"], result["stdout"], result["session_ended"]) == ("cancelled", "partial", True)
    assert (await client.get("/v1/executions/waits")).json()["session"] == "mine"
