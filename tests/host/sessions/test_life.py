"""The life of a session: opened, listed, renewed, ended; its time, what it may use, and the end of its host."""

import asyncio
import os
import signal

import pytest

from host import ExecutionRequest, Limits
from host.errors import (
    AdapterError,
    DuplicateSession,
    HostClosing,
    InvalidRequest,
    NothingCanServe,
    SessionEnded,
    SessionLost,
    SessionNotServed,
    SessionsFull,
    UnknownAdapter,
    UnknownLanguage,
    UnknownPolicy,
    UnknownSession,
    WidenedLimits,
)
from host.interface import CheckResult
from host.models import Actor, Status


async def test_a_session_tells_what_it_is(host, run, seen):
    """Opening answers with what it is fixed to, its times and what it may use; it is shown and listed with the same."""
    opened = await host.open_session("py", "data", idle_ms=1000, lifetime_ms=2000, id="mine", actor=Actor(id="a"))
    fixed = (opened.id, opened.language, opened.policy, opened.adapter, opened.adapter_version, opened.actor.id)
    assert fixed == ("mine", "python", "data", "live", "1", "a")
    assert (opened.state, opened.idle_ms, opened.lifetime_ms, opened.queued) == ("idle", 1000, 2000, 0)
    assert opened.allowed.commands == host.settings.sessions.max_commands
    assert seen.opened == [opened]
    result = await run(host, opened, "print('ab'); 1")
    shown = await host.session("mine")
    assert (shown.used.commands, shown.used.output_bytes) == (1, 3)
    assert shown.used.wall_ms == round(result.usage.wall_ms, 3)
    assert shown.last_used_at >= opened.created_at
    assert [each.id for each in host.sessions()] == ["mine"]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"language": "cobol"}, UnknownLanguage),
        ({"policy": "none-such"}, UnknownPolicy),
        ({"adapter": "none-such"}, UnknownAdapter),
        ({"limits": Limits(max_memory_mb=4096)}, WidenedLimits),
        ({"idle_ms": 10**9}, WidenedLimits),
        ({"lifetime_ms": 10**9}, WidenedLimits),
        ({"idle_ms": 0}, InvalidRequest),
        ({"id": "no such id"}, InvalidRequest),
        ({"language": "bash"}, SessionNotServed),
        ({"adapter": "placeholder"}, SessionNotServed),
    ],
)
async def test_what_cannot_be_opened_is_refused(host, fields, error):
    """A session that cannot be is refused with its type; nothing is opened."""
    with pytest.raises(error):
        await host.open_session(**{"language": "python", **fields})
    assert host.sessions() == ()


async def test_where_no_adapter_may_keep_it_each_says_why(running_host, adapter):
    """An adapter that could, but is not ready, is named with its reason and its remedy."""

    async def check():
        return CheckResult(ok=False, reason="there is no room.", remedy="Make some.")

    adapter.check = check
    async with running_host() as host:
        with pytest.raises(NothingCanServe, match=r"live: it is not ready: there is no room\. Make some\."):
            await host.open_session("python")


async def test_an_id_is_taken_once(host, adapter):
    """Of many that open with one id at once a single one is served; a session that has ended keeps its id."""
    opened = await asyncio.gather(*(host.open_session("python", id="mine") for _ in range(5)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in opened) == ["DuplicateSession"] * 4 + ["SessionInfo"]
    await host.end_session("mine")
    assert adapter.processes == {}
    with pytest.raises(DuplicateSession):
        await host.open_session("python", id="mine")


@pytest.mark.parametrize("error", [AdapterError("no room.", remedy="Make some."), OSError("no such program")])
async def test_an_interpreter_that_cannot_start_is_the_adapters_fault(running_host, adapter, error):
    """The caller gets an AdapterError, nothing lives, and its place is free."""

    async def broken(session, language, policy):
        raise error

    async with running_host(sessions__max_sessions=1) as host:
        opens, adapter.open = adapter.open, broken
        with pytest.raises(AdapterError, match=r"no room|no such program"):
            await host.open_session("python", id="mine")
        with pytest.raises(SessionLost, match="could not be opened"):
            await host.session("mine")
        adapter.open = opens
        assert (await host.open_session("python")).state == "idle"


async def test_a_full_host_refuses(running_host):
    """Beyond sessions.max_sessions a session is refused with its type; one that ends makes room."""
    async with running_host(sessions__max_sessions=2) as host:
        first, _ = await host.open_session("python"), await host.open_session("python")
        with pytest.raises(SessionsFull, match="max_sessions"):
            await host.open_session("python")
        await host.end_session(first.id)
        await host.open_session("python")


async def test_a_session_that_lost_its_process_makes_room(running_host, adapter):
    """A process that was killed from outside is noticed when its place is wanted, and does not stand in the list."""
    async with running_host(sessions__max_sessions=1) as host:
        first = await host.open_session("python")
        os.kill(adapter.processes[first.id].pid, signal.SIGKILL)
        await adapter.processes[first.id].wait()
        assert host.sessions() == ()
        await host.open_session("python")


async def test_ending_is_idempotent(host, adapter, seen):
    """The first end closes the process; a second tells the same, and an unknown id is unknown."""
    session = await host.open_session("python")
    process = adapter.processes[session.id]
    ended = await host.end_session(session.id)
    assert (ended.state, ended.ended_by) == ("ended", "caller")
    assert process.returncode == -signal.SIGKILL
    again = await host.end_session(session.id)
    assert (again.ended_at, again.ended_by, again.reason) == (ended.ended_at, ended.ended_by, ended.reason)
    assert list(seen.ended) == [session.id]
    with pytest.raises(SessionEnded, match="on request"):
        await host.session(session.id)
    with pytest.raises(UnknownSession):
        await host.end_session("nobody")


async def test_an_idle_session_ends(host, seen, run):
    """After its idle time it is ended, its process is gone, and a command is told so with its type."""
    session = await host.open_session("python", idle_ms=1)
    ended = await seen.end_of(session)
    assert (ended.ended_by, ended.used.commands) == ("idle", 0)
    with pytest.raises(SessionEnded, match="Nothing was run in it for 1 ms") as caught:
        await run(host, session, "1")
    assert (caught.value.type, caught.value.status) == ("session-ended", 410)


async def test_a_session_that_works_is_not_idle(host, run, seen):
    """A command may take longer than the idle time; the idle time begins after it."""
    session = await host.open_session("python", idle_ms=60)
    result = await run(host, session, "import time; time.sleep(0.3); 1")
    assert (result.value, result.session_ended) == (1, False)
    assert (await seen.end_of(session)).used.commands == 1


async def test_renewing_begins_a_new_idle_period(host, seen):
    """Renewing moves the end; it may set other times, within the settings, and none beyond."""
    session = await host.open_session("python", idle_ms=60_000)
    renewed = await host.renew_session(session.id)
    assert renewed.expires_at > session.expires_at
    longer = await host.renew_session(session.id, idle_ms=600_000, lifetime_ms=3_600_000)
    assert (longer.idle_ms, longer.lifetime_ms) == (600_000, 3_600_000)
    assert longer.expires_at > renewed.expires_at
    with pytest.raises(WidenedLimits, match="max_idle_ms"):
        await host.renew_session(session.id, idle_ms=10**9)
    await host.renew_session(session.id, idle_ms=1)
    assert (await seen.end_of(session)).ended_by == "idle"
    with pytest.raises(SessionEnded):
        await host.renew_session(session.id)


async def test_its_whole_life_is_bounded(host, run, seen):
    """When its lifetime is over what runs in it is cancelled and recorded, however busy it is."""
    session = await host.open_session("python", lifetime_ms=1000)
    result = await run(host, session, "print('partial')\nwhile True: pass")
    assert (result.status, result.stdout, result.session_ended) == (Status.CANCELLED, "partial\n", True)
    assert (await seen.end_of(session)).ended_by == "lifetime"
    with pytest.raises(SessionEnded, match="1000 ms"):
        await run(host, session, "1")


async def test_commands_are_counted(running_host, run, seen):
    """The last command that a session may run says that it was the last."""
    async with running_host(sessions__max_commands=2) as host:
        session = await host.open_session("python")
        assert not (await run(host, session, "1")).session_ended
        last = await run(host, session, "2")
        assert (last.value, last.session_ended) == (2, True)
        ended = await seen.end_of(session)
        assert (ended.ended_by, ended.used.commands) == ("used_up", 2)
        with pytest.raises(SessionEnded, match="max_commands"):
            await run(host, session, "3")


async def test_cpu_time_is_bounded_in_all(running_host, run, seen):
    """A session whose commands took all their CPU time is ended."""
    async with running_host(sessions__max_cpu_ms=20) as host:
        session = await host.open_session("python")
        assert (await run(host, session, "sum(range(3_000_000))")).session_ended
        assert (await seen.end_of(session)).ended_by == "used_up"


async def test_a_command_gets_no_more_time_than_is_left(running_host, run, seen):
    """The deadline of a command is what is left of the session's wall-clock time."""
    async with running_host(sessions__max_wall_ms=400) as host:
        session = await host.open_session("python", "data")
        result = await run(host, session, "while True: pass")
        assert (result.status, result.session_ended) == (Status.TIMED_OUT, True)
        assert result.usage.wall_ms < host.policies["data"].max_execution_time


async def test_a_command_may_write_no_more_than_is_left(running_host, run):
    """The bound of a command's output is what is left of the session's."""
    async with running_host(sessions__max_output_bytes=1000) as host:
        session = await host.open_session("python")
        assert (await run(host, session, "print('x' * 899)")).status is Status.SUCCEEDED
        result = await run(host, session, "print('x' * 200)")
        assert (result.status, result.session_ended) == (Status.OUTPUT_LIMIT, True)


async def test_a_process_that_dies_between_commands_is_lost(host, adapter, run, seen):
    """A command on a session whose process was killed is refused with its type, and leaves no record."""
    session = await host.open_session("python")
    os.kill(adapter.processes[session.id].pid, signal.SIGKILL)
    await adapter.processes[session.id].wait()
    with pytest.raises(SessionLost) as caught:
        await run(host, session, "1")
    assert (caught.value.type, caught.value.status) == ("session-lost", 410)
    assert (await seen.end_of(session)).ended_by == "lost"
    assert (await host.store.list()).executions == ()


async def test_a_process_that_dies_as_the_command_comes_is_a_result(host, adapter, run):
    """Where the intent was written already the command has its record: interrupted, never started, and no replay."""

    async def too_late(session, request, policy, emit):
        adapter.alive = lambda session: False
        raise SessionLost(f"the process of session {session!r} is gone.")

    session = await host.open_session("python")
    adapter.run = too_late
    result = await run(host, session, "1")
    assert (result.status, result.may_have_started, result.session_ended) == (Status.INTERRUPTED, False, True)
    assert (await host.store.get(result.id)).summary.status is Status.INTERRUPTED


async def test_a_host_that_shuts_down_ends_its_sessions(running_host, run, seen):
    """What runs and what waits is cancelled and recorded, processes are gone, and the next host knows of the end."""
    async with running_host(server__shutdown_grace_ms=0) as host:
        session = await host.open_session("python")
        begun = asyncio.Event()
        request = ExecutionRequest(code="print('ready')\nwhile True: pass", session=session.id)
        first = asyncio.create_task(host.execute(request, lambda event: begun.set()))
        await begun.wait()
        second = asyncio.create_task(run(host, session, "1"))
        while (await host.session(session.id)).queued < 1:
            await asyncio.sleep(0)
        await host.aclose()
        assert [(await task).status for task in (first, second)] == [Status.CANCELLED, Status.CANCELLED]
        assert seen.ended[session.id].ended_by == "host"
        with pytest.raises(HostClosing):
            await host.open_session("python")
    async with running_host() as again:
        with pytest.raises(SessionEnded, match="shut down"):
            await run(again, session, "1")


async def test_a_session_that_opens_while_the_host_closes_is_none(running_host, adapter):
    """A host that shuts down waits for what is being opened, and closes it."""
    going, go_on, opens = asyncio.Event(), asyncio.Event(), adapter.open

    async def slowly(session, language, policy):
        going.set()
        await go_on.wait()
        await opens(session, language, policy)

    adapter.open = slowly
    async with running_host(server__shutdown_grace_ms=60_000) as host:
        opening = asyncio.create_task(host.open_session("python"))
        await going.wait()
        closing = asyncio.create_task(host.aclose())
        go_on.set()
        await closing
        assert (await asyncio.gather(opening, return_exceptions=True))[0].id
    assert adapter.processes == {}
