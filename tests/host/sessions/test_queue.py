"""One command at a time: the others wait in the order in which they came."""

import asyncio

import pytest

from host import ExecutionRequest, Limits
from host.errors import DuplicateExecution, SessionBusy, SessionEnded, SessionLost
from host.models import Status

ENDLESS = "print('ready')\nwhile True: pass"


async def begun(host, session, code=ENDLESS, **fields):
    """A command that runs now, as a task."""
    ready = asyncio.Event()
    request = ExecutionRequest(code=code, session=session.id, **fields)
    task = asyncio.create_task(host.execute(request, lambda event: ready.set()))
    await ready.wait()
    return task


async def queued(host, session, count):
    """Come back once so many commands wait."""
    while (await host.session(session.id)).queued < count:
        await asyncio.sleep(0)


async def test_commands_run_one_by_one_in_order(host, run):
    """Twelve commands that come at once all succeed, each after the one before it."""
    session = await host.open_session("python")
    await run(host, session, "seen = []")
    code = "seen.append((n, 'in')); seen.append((n, 'out'))"
    await asyncio.gather(*(run(host, session, code, inputs={"n": n}) for n in range(12)))
    seen = (await run(host, session, "seen")).value
    assert seen == [[n, word] for n in range(12) for word in ("in", "out")]


async def test_order_holds_whatever_validation_takes(running_host, run):
    """A command that is still being judged keeps its place before one that came later."""
    judged = asyncio.Event()

    async def slowly(code):
        from host.models import Verdict

        if code == "x = 'first'":
            await judged.wait()
        return Verdict(verdict="safe")

    async with running_host(validate=slowly) as host:
        session = await host.open_session("python")
        first = asyncio.create_task(run(host, session, "x = 'first'"))
        second = asyncio.create_task(run(host, session, "x"))
        await queued(host, session, 1)
        judged.set()
        assert (await second).value == "first"
        assert (await first).status is Status.SUCCEEDED


async def test_waiting_costs_no_time_of_the_command(host, run):
    """A command may wait for longer than its own deadline."""
    session = await host.open_session("python")
    first = await begun(host, session, "print('ready')\nimport time; time.sleep(1.5)")
    second = await run(host, session, "6 * 7", limits=Limits(max_execution_time=1000))
    assert (second.status, second.value) == (Status.SUCCEEDED, 42)
    assert second.started_at >= (await first).started_at


async def test_a_full_queue_refuses_at_once(running_host, run):
    """Beyond sessions.max_queued a command is refused with its type and leaves no record; the others are served."""
    async with running_host(sessions__max_queued=1) as host:
        session = await host.open_session("python")
        first = await begun(host, session, id="first")
        second = asyncio.create_task(run(host, session, "6 * 7"))
        await queued(host, session, 1)
        with pytest.raises(SessionBusy, match="max_queued"):
            await run(host, session, "1", id="third")
        await host.cancel("first")
        assert (await first).status is Status.CANCELLED
        assert (await second).value == 42
        assert {line.id for line in (await host.store.list()).executions} == {"first", (await second).id}
        assert (await run(host, session, "1", id="third")).status is Status.SUCCEEDED


async def test_a_command_that_waits_can_be_cancelled(host, run):
    """It is recorded as cancelled, was never started, and the queue goes on without it."""
    session = await host.open_session("python")
    first = await begun(host, session, id="first")
    second = asyncio.create_task(run(host, session, "x = 1", id="second"))
    third = asyncio.create_task(run(host, session, "'x' in globals()"))
    await queued(host, session, 2)
    assert await host.cancel("second", "Not wanted any more.")
    result = await second
    assert (result.status, result.reason) == (Status.CANCELLED, "Not wanted any more.")
    assert not result.may_have_started
    line = (await host.store.get("second")).summary
    assert (line.status, line.session, line.may_have_started) == (Status.CANCELLED, session.id, False)
    await host.cancel("first")
    await first
    assert (await third).value is False


async def test_a_caller_that_goes_while_it_waits_leaves_a_record(host, run):
    """Cancelling the caller's own task records the command as cancelled; it never runs."""
    session = await host.open_session("python")
    first = await begun(host, session, id="first")
    second = asyncio.create_task(run(host, session, "x = 1", id="second"))
    await queued(host, session, 1)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert (await host.store.get("second")).summary.status is Status.CANCELLED
    await host.cancel("first")
    await first
    assert (await run(host, session, "'x' in globals()")).value is False


async def test_an_id_is_taken_while_it_waits(host, run):
    """A second command with the id of one that waits is refused."""
    session = await host.open_session("python")
    first = await begun(host, session, id="first")
    second = asyncio.create_task(run(host, session, "1", id="second"))
    await queued(host, session, 1)
    with pytest.raises(DuplicateExecution):
        await run(host, session, "2", id="second")
    await host.cancel("first")
    assert (await second).value == 1
    await first


async def test_ending_the_session_tells_who_waits(host, run):
    """What runs is cancelled and recorded; what waits is told that the session has ended, and leaves no record."""
    session = await host.open_session("python")
    first = await begun(host, session, id="first")
    second = asyncio.create_task(run(host, session, "1", id="second"))
    await queued(host, session, 1)
    await host.end_session(session.id)
    result = await first
    assert (result.status, result.session_ended) == (Status.CANCELLED, True)
    with pytest.raises(SessionEnded):
        await second
    assert [line.id for line in (await host.store.list()).executions] == ["first"]


async def test_losing_the_process_tells_who_waits_and_runs_nothing_again(host, run, adapter):
    """Commands behind one that takes the process along are told that the session is lost; none is run twice."""
    runs = []
    run_in_it = adapter.run

    async def counted(session, request, policy, emit):
        runs.append(request.id)
        return await run_in_it(session, request, policy, emit)

    adapter.run = counted
    session = await host.open_session("python")
    first = await begun(host, session, id="first", limits=Limits(max_execution_time=500))
    second = asyncio.create_task(run(host, session, "1", id="second"))
    await queued(host, session, 1)
    assert (await first).status is Status.TIMED_OUT
    with pytest.raises(SessionLost):
        await second
    assert runs == ["first"]
