"""What the service answers to those who ask for events: who gets them, who gets a problem, who is told to stop."""

import asyncio
import json

import httpx
import pytest

from host import ExecutionRequest
from host.http.app import create_app

EVENTS = {"accept": "text/event-stream"}


def told(answer):
    """The events in an answer: name, number as text, data."""
    found = []
    for block in answer.text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        if "event" in fields:
            found.append((fields["event"], fields.get("id"), json.loads(fields["data"])))
    return found


def token(answer):
    """The kind of problem."""
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()["type"].rpartition(":")[2]


@pytest.mark.parametrize(
    ("accept", "streamed"),
    [
        ("text/event-stream", True),
        ("text/event-stream, application/json", True),
        ("application/json, Text/Event-Stream; q=1.0", True),
        ("application/json, text/event-stream;q=0.5", False),
        ("text/event-stream;q=0", False),
        ("text/event-stream;q=nonsense", False),
        ("application/json", False),
        ("*/*", False),
        ("text/*", False),
        ("", False),
    ],
)
async def test_events_are_for_those_who_ask(client, accept, streamed):
    """Only an Accept header that names events, and no JSON before them, gets them."""
    answer = await client.post("/v1/executions", json={"code": "1 + 1"}, headers={"accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream" if streamed else "application/json")
    result = told(answer)[-1][2] if streamed else answer.json()
    assert result["value"] == 2


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"code": "1", "policy": "nope"}, 422, "unknown-policy"),
        ({"code": "1", "adapter": "nope"}, 422, "unknown-adapter"),
        ({"code": 1}, 422, "invalid-request"),
        ({"code": "1", "id": "taken"}, 409, "duplicate-execution"),
    ],
)
async def test_errors_before_the_start_are_problems(client, body, status, kind):
    """What never became an execution has the same answer as without events."""
    await client.post("/v1/executions", json={"code": "1 + 1", "id": "taken"})
    answer = await client.post("/v1/executions", json=body, headers=EVENTS)
    assert (answer.status_code, token(answer)) == (status, kind)


async def test_a_denial_is_one_event(client):
    """What is recorded without being run has its result alone."""
    answer = await client.post("/v1/executions", json={"code": "import os"}, headers=EVENTS)
    ((name, _, result),) = told(answer)
    assert (answer.status_code, name, result["status"]) == (200, "result", "denied")


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/v1/executions/nobody/events", 404, "unknown-execution"),
        ("/v1/executions/mine/events?after=4", 409, "sequence-ahead"),
        ("/v1/executions/mine/events?after=-1", 422, "invalid-request"),
        ("/v1/executions/mine/events?after=x", 422, "invalid-request"),
        ("/v1/executions/theirs/events", 409, "owned-elsewhere"),
    ],
)
async def test_what_cannot_be_followed(host, client, path, status, kind):
    """An id that nobody has, a number that the stream has not come to, another host's execution: each says so."""
    await client.post("/v1/executions", json={"code": "1 + 1", "id": "mine"}, headers=EVENTS)
    await host.store.begin(ExecutionRequest(code="1", id="theirs"), host.policies["strict"], owner="another")
    answer = await client.get(path)
    assert (answer.status_code, token(answer)) == (status, kind)


async def test_a_number_that_is_none_is_refused(client):
    """Last-Event-ID is a number of ours, or the request is wrong."""
    await client.post("/v1/executions", json={"code": "1 + 1", "id": "mine"}, headers=EVENTS)
    answer = await client.get("/v1/executions/mine/events", headers={"last-event-id": "abc"})
    assert (answer.status_code, token(answer)) == (422, "invalid-request")


async def test_who_has_been_told_everything_is_told_to_stop(client):
    """After the last event there is 204, at which a browser stops coming back."""
    answer = await client.post("/v1/executions", json={"code": "1 + 1", "id": "mine"}, headers=EVENTS)
    _, last, _ = told(answer)[-1]
    again = await client.get("/v1/executions/mine/events", headers={"last-event-id": last})
    assert (again.status_code, again.content) == (204, b"")


async def test_of_what_ended_before_there_is_the_result(client):
    """A run that was not followed has its record: one event, the result."""
    answer = await client.post("/v1/executions", json={"code": "1 + 1", "id": "mine"})
    later = await client.get("/v1/executions/mine/events", params={"after": 7})
    assert (later.status_code, told(later)) == (200, [("result", "8", answer.json())])


async def test_an_end_that_cannot_be_recorded_is_the_last_event(host, client, scripted):
    """A store that fails after the start cannot change the status any more: the last event is the problem."""
    run = asyncio.create_task(client.post("/v1/executions", json={"code": '"wait"', "id": "mine"}, headers=EVENTS))
    await scripted.began.wait()
    await host.store.aclose()
    await host.cancel("mine")
    events = told(await run)
    assert [name for name, *_ in events] == ["started", "stdout", "problem"]
    _, number, problem = events[-1]
    assert (number, problem["type"]) == (None, "urn:understudy:problem:store")


async def test_events_need_the_key_too(running_host):
    """Where keys are set, following needs one."""
    async with running_host(server__api_keys=["k"]) as host:
        transport = httpx.ASGITransport(create_app(host=host))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.get("/v1/executions/mine/events")
    assert (answer.status_code, token(answer)) == (401, "unauthorized")
