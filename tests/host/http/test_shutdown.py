"""The service ends without losing a record: told to stop, told twice, or killed."""

import asyncio
import signal
import sqlite3
from contextlib import closing

import httpx
import pytest

from host.models import Status
from host.store import open_store

pytestmark = pytest.mark.engine

WAITS, ENDS = '"wait"', "1 + 1"


async def until_running(client, execution_id):
    """Come back once the execution has its intent row."""
    while (await client.get(f"/v1/executions/{execution_id}")).status_code == 404:
        pass


async def until_deaf(url):
    """Come back once the service takes no new connection: the first signal is heard."""
    address = httpx.URL(url)
    while True:
        try:
            _, writer = await asyncio.open_connection(address.host, address.port)
        except OSError:
            return
        writer.close()


async def record(state_dir, execution_id):
    """What the store has of it, read after the service is gone."""
    store = await open_store(state_dir=state_dir)
    try:
        return await store.get(execution_id)
    finally:
        await store.aclose()


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
async def test_told_to_stop_it_cancels_records_and_answers(served, tmp_path, sent):
    """After the grace a running program is stopped and recorded, its caller is answered, and the exit code is 0."""
    state_dir = tmp_path / "served"
    with served("server.shutdown_grace_ms=200") as (process, url):
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            run = asyncio.create_task(client.post("/v1/executions", json={"code": WAITS, "id": "mine"}))
            await until_running(client, "mine")
            process.send_signal(sent)
            answer = await run
        assert await asyncio.to_thread(process.wait, 20) == 0
    assert (answer.status_code, answer.json()["status"], answer.json()["stdout"]) == (200, "cancelled", "partial")
    found = await record(state_dir, "mine")
    assert (found.summary.status, found.result.reason) == (Status.CANCELLED, answer.json()["reason"])
    assert list((state_dir / "owners").iterdir()) == []


async def test_within_the_grace_a_program_may_end(served, tmp_path):
    """A program that ends by itself while the service waits is answered as if nothing were."""
    with served("server.shutdown_grace_ms=60000") as (process, url):
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            run = asyncio.create_task(client.post("/v1/executions", json={"code": "briefly", "id": "mine"}))
            await until_running(client, "mine")
            process.send_signal(signal.SIGTERM)
            answer = await run
        assert await asyncio.to_thread(process.wait, 20) == 0
    assert answer.json()["status"] == "succeeded"
    assert (await record(tmp_path / "served", "mine")).summary.status is Status.SUCCEEDED


async def test_told_twice_it_hurries(served, tmp_path):
    """A second signal ends the grace at once; the record is written all the same."""
    with served("server.shutdown_grace_ms=3600000") as (process, url):
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            run = asyncio.create_task(client.post("/v1/executions", json={"code": WAITS, "id": "mine"}))
            await until_running(client, "mine")
            process.send_signal(signal.SIGTERM)
            await until_deaf(url)
            process.send_signal(signal.SIGTERM)
            answer = await run
        assert await asyncio.to_thread(process.wait, 20) == 0
    assert answer.json()["status"] == "cancelled"
    assert (await record(tmp_path / "served", "mine")).summary.status is Status.CANCELLED


async def test_killed_under_load_it_loses_nothing_that_it_answered(served, tmp_path):
    """SIGKILL with callers at work: every answer has its record, and the next start leaves none without an end."""
    state_dir, answered = tmp_path / "served", {}
    with served() as (process, url):

        async def calls(number):
            async with httpx.AsyncClient(base_url=url, timeout=30) as client:
                for turn in range(1000):
                    name = f"r{number}-{turn}"
                    answer = await client.post("/v1/executions", json={"code": ENDS, "id": name})
                    answered[name] = answer.json()
                    if len(answered) == 150:
                        process.kill()

        async with httpx.AsyncClient(base_url=url) as client:
            waiting = asyncio.create_task(client.post("/v1/executions", json={"code": WAITS, "id": "waiting"}))
            await until_running(client, "waiting")
            ends = await asyncio.gather(*map(calls, range(8)), waiting, return_exceptions=True)
    assert all(isinstance(end, httpx.TransportError) for end in ends)

    # The next host settles what the dead one left.
    with served(), closing(sqlite3.connect(state_dir / "understudy.db")) as rows:
        found = dict(rows.execute("SELECT id, status FROM executions").fetchall())
    assert {found[name] for name in answered} == {"succeeded"}
    assert found["waiting"] == "interrupted"
    assert set(found.values()) <= {"succeeded", "interrupted"}
    first = next(iter(answered.values()))
    kept = await record(state_dir, first["id"])
    assert kept.result.model_dump(mode="json") == first
