"""What the store keeps of sessions: that they were, whose they were, and how they ended."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from host.errors import DuplicateSession, UnknownSession
from host.models import Actor
from host.store import open_store
from host.store.interface import OwnerInfo, SessionRecord

BEGAN = datetime(2026, 11, 21, 1, 2, 3, 456789, tzinfo=UTC)


def session(name="s-1", owner="me", **fields):
    """A session that has just been opened."""
    return SessionRecord(
        id=name,
        owner=owner,
        language="python",
        policy="strict",
        adapter="sandbox",
        adapter_version="0.8",
        idle_ms=600_000,
        lifetime_ms=3_600_000,
        created_at=BEGAN,
        **fields,
    )


async def test_a_session_comes_back_as_it_was_opened_and_as_it_ended(store):
    """Every field survives the store, first of the opening, then of the end and what the commands used."""
    opened = session(actor=Actor(id="agent-1", type="voice_agent"))
    await store.open_session(opened)
    assert await store.get_session("s-1") == opened
    ended = replace(
        opened,
        ended_at=BEGAN + timedelta(minutes=3),
        ended_by="idle",
        reason="Nobody came.",
        idle_ms=9,
        commands=3,
        wall_ms=1.5,
        cpu_ms=0.5,
        output_bytes=2**40,
    )
    await store.end_session(ended)
    assert await store.get_session("s-1") == ended


async def test_the_first_end_stays(store):
    """A second end changes nothing."""
    await store.open_session(session())
    await store.end_session(session(ended_at=BEGAN, ended_by="caller", reason="first"))
    await store.end_session(session(ended_at=BEGAN, ended_by="lost", reason="second"))
    assert (await store.get_session("s-1")).reason == "first"


async def test_an_id_is_taken_once(store):
    """An id is refused for as long as the store knows it, whether the session lives or not, and nothing changes."""
    await store.open_session(session())
    with pytest.raises(DuplicateSession, match="'s-1'"):
        await store.open_session(session(owner="another"))
    assert (await store.get_session("s-1")).owner == "me"


async def test_an_unknown_session_is_said_to_be_unknown(store):
    """Looking up what never was raises UnknownSession."""
    with pytest.raises(UnknownSession, match="'nobody'"):
        await store.get_session("nobody")


async def test_what_a_dead_host_kept_is_lost(store):
    """Recovery ends the sessions of the dead and nobody else's; a host with a living session counts as at work."""
    for owner in ("dead", "alive"):
        await store.register(OwnerInfo(owner, "here", "/locks", 1, BEGAN))
        await store.open_session(session(f"of-{owner}", owner))
    await store.open_session(session("over", "dead"))
    await store.end_session(session("over", "dead", ended_at=BEGAN, ended_by="caller"))
    assert sorted(await store.owners_at_work(machine="here", lock_folder="/locks")) == ["alive", "dead"]
    assert await store.recover(["dead"]) == 0
    assert (await store.get_session("of-dead")).ended_by == "lost"
    assert (await store.get_session("of-alive")).ended_at is None
    assert (await store.get_session("over")).ended_by == "caller"
    assert await store.owners_at_work(machine="here", lock_folder="/locks") == ["alive"]


async def test_history_can_be_read_by_session(store, policy, request_of, result_of):
    """An execution carries its session, and the list can be narrowed to one."""
    for code, name in (("1", "s-1"), ("2", "s-2"), ("3", None), ("4", "s-1")):
        request = request_of(code, session=name)
        await store.begin(request, policy, owner="me")
        await store.finish(request, policy, result_of(request, session=name))
    page = await store.list(session="s-1", limit=1)
    older = await store.list(session="s-1", limit=1, before=page.next)
    found = [(await store.get(line.id)).code for line in (*page.executions, *older.executions)]
    assert (found, older.next) == (["4", "1"], None)
    assert {line.session for line in (await store.list()).executions} == {"s-1", "s-2", None}


async def test_sessions_go_with_the_oldest_records(state_dir):
    """What ended and is older than retain_days is purged; what lives stays."""
    store = await open_store(state_dir=state_dir, retain_days=1)
    old = datetime.now(UTC) - timedelta(days=2)
    for name in ("over", "alive"):
        await store.open_session(replace(session(name), created_at=old))
    await store.end_session(session("over", ended_at=old, ended_by="idle"))
    await store.purge()
    with pytest.raises(UnknownSession):
        await store.get_session("over")
    assert (await store.get_session("alive")).ended_at is None
    await store.aclose()


async def test_an_older_database_is_brought_up_to_date(state_dir, store, policy, request_of, result_of):
    """A store that stands at the migration before sessions keeps its executions and takes sessions from then on."""
    request = request_of(id="old")
    await store.begin(request, policy, owner="me")
    await store.finish(request, policy, result_of(request, value=2))
    await store.aclose()
    with closing(sqlite3.connect(state_dir / "understudy.db")) as rows, rows:
        rows.executescript(
            "DROP TABLE sessions; DROP INDEX executions_by_session; ALTER TABLE executions DROP COLUMN session;"
            "UPDATE alembic_version SET version_num = '0001'"
        )
    again = await open_store(state_dir=state_dir)
    line = (await again.get("old")).summary
    assert (line.status, line.session) == ("succeeded", None)
    await again.open_session(session())
    await again.aclose()
