"""Commands in a session: what stays between them, what the session fixes, what the record says."""

import asyncio
from contextlib import aclosing

import pytest

from host import ExecutionRequest, Limits
from host.errors import NotSupportedYet, SessionLost, SessionMismatch, UnknownSession, WidenedLimits
from host.interface import OutputEvent
from host.models import Actor, Status


async def test_names_and_files_stay(host, run):
    """What one command names or writes the next one finds; inputs are values of each command."""
    session = await host.open_session("python")
    await run(host, session, "import pathlib\nx = n + 1\npathlib.Path('note').write_text('kept')", inputs={"n": 41})
    result = await run(host, session, "[x, pathlib.Path('note').read_text()]")
    assert (result.status, result.value) == (Status.SUCCEEDED, [42, "kept"])


async def test_sessions_do_not_see_each_other(host, run):
    """Two sessions have names and folders of their own."""
    one, two = await host.open_session("python"), await host.open_session("python")
    await run(host, one, "x = 1; open('note', 'w').write('x')")
    seen = await run(host, two, "import os; ['x' in globals(), os.listdir()]")
    assert seen.value == [False, []]


async def test_sql_is_a_session_too(host, run):
    """Another language keeps what it has: a table of an earlier command."""
    session = await host.open_session("sql")
    for code in ("CREATE TABLE t (a)", "INSERT INTO t VALUES (6), (7)"):
        await run(host, session, code)
    assert (await run(host, session, "SELECT a FROM t ORDER BY a")).value == [[6], [7]]


@pytest.mark.parametrize("code", ["1 / 0", "x = 2; raise ValueError", "import sys; sys.exit(3)", "def"])
async def test_a_command_that_fails_keeps_the_session(host, run, code):
    """An exception, an exit and a syntax error end the command, and nothing else."""
    session = await host.open_session("python")
    await run(host, session, "x = 1")
    failed = await run(host, session, code)
    assert (failed.status, failed.session_ended) == (Status.FAILED, False)
    assert (await run(host, session, "x in (1, 2)")).value is True


async def test_the_record_names_the_session(host, run):
    """Each command is an execution with its own record, and history can be read by session."""
    session = await host.open_session("python", actor=Actor(id="agent-1", type="voice_agent"))
    first = await run(host, session, "x = 6")
    second = await run(host, session, "x * 7", actor=Actor(id="somebody-else"))
    denied = await run(host, session, "import os")
    await host.execute(ExecutionRequest(code="1"))
    page = await host.store.list(session=session.id)
    assert [line.id for line in page.executions] == [denied.id, second.id, first.id]
    assert [line.actor.id for line in page.executions] == ["agent-1", "somebody-else", "agent-1"]
    assert {result.session for result in (first, second, denied)} == {session.id}
    record = await host.store.get(second.id)
    assert record.result == second
    assert len(second.provenance.code_sha256) == 64
    assert [each.reason for each in second.explain if each.chosen] == ["It keeps the session."]
    assert denied.status is Status.DENIED


async def test_output_comes_as_it_is_written(host, run):
    """Output of a command is emitted in pieces, and a stream of it tells start, output and result."""
    session = await host.open_session("python")
    emitted = []
    result = await host.execute(ExecutionRequest(code="print('a')\nprint('b')", session=session.id), emitted.append)
    assert "".join(event.text for event in emitted if isinstance(event, OutputEvent)) == result.stdout == "a\nb\n"
    async with aclosing(host.stream(ExecutionRequest(code="print('c')", session=session.id))) as events:
        names = [event.name async for event in events]
    assert (names[0], set(names[1:-1]), names[-1]) == ("started", {"stdout"}, "result")


@pytest.mark.parametrize("fields", [{"language": "sql"}, {"policy": "data"}, {"adapter": "placeholder"}])
async def test_the_session_fixes_language_policy_and_adapter(host, run, fields):
    """A command that names others is refused, and nothing is run or recorded."""
    session = await host.open_session("python")
    (name,) = fields
    with pytest.raises(SessionMismatch, match=name):
        await run(host, session, "x = 1", **fields)
    assert (await host.store.list(session=session.id)).executions == ()
    assert (await run(host, session, "'x' in globals()")).value is False


async def test_a_command_may_name_what_the_session_has(host, run):
    """The language (by any of its names), the policy and the adapter of the session are taken."""
    session = await host.open_session("py", "data", adapter="live")
    result = await run(host, session, "1", language="python3", policy="data", adapter="live")
    assert (result.language, result.policy, result.adapter) == ("python", "data", "live")


async def test_limits_tighten_for_the_session_and_again_for_a_command(host, run):
    """A session's limits hold for each command; a command may ask for less, and for no more."""
    session = await host.open_session("python", limits=Limits(max_execution_time=3000))
    with pytest.raises(WidenedLimits, match="max_execution_time"):
        await run(host, session, "1", limits=Limits(max_execution_time=4000))
    tight = await run(host, session, "while True: pass", limits=Limits(max_execution_time=100))
    assert tight.status is Status.TIMED_OUT


async def test_cancelling_a_command_is_the_ordinary_way(host, run):
    """A command is cancelled by its id: dead and recorded; the session goes on where its adapter can stop a command."""
    session = await host.open_session("python")
    begun = asyncio.Event()
    request = ExecutionRequest(code="x = 1\nprint('ready')\nwhile True: pass", session=session.id)
    call = asyncio.create_task(host.execute(request, lambda event: begun.set()))
    await begun.wait()
    assert (await host.session(session.id)).state == "busy"
    assert await host.cancel(request.id, "Enough.")
    result = await call
    assert (result.status, result.reason, result.stdout) == (Status.CANCELLED, "Enough.", "ready\n")
    assert (await host.store.get(request.id)).summary.status is Status.CANCELLED
    assert (await run(host, session, "x")).value == 1


async def test_explain_says_who_would_run_it(host):
    """A command is explained as any request is; one in a session that is not here is refused."""
    session = await host.open_session("python")
    (line,) = [each for each in host.explain(ExecutionRequest(code="1", session=session.id)) if each.chosen]
    assert line.adapter == "live"
    with pytest.raises(UnknownSession):
        host.explain(ExecutionRequest(code="1", session="nobody"))


async def test_what_is_not_served_is_still_refused(host, run):
    """An idempotency key is refused in a session too."""
    session = await host.open_session("python")
    with pytest.raises(NotSupportedYet):
        await run(host, session, "1", idempotency_key="k")


async def test_a_deadline_ends_the_session_with_a_type(host, run, seen):
    """Where a limit takes the process along the result says so, and the next command is told that it is lost."""
    session = await host.open_session("python", limits=Limits(max_execution_time=500))
    result = await run(host, session, "print('partial')\nwhile True: pass")
    assert (result.status, result.stdout, result.session_ended) == (Status.TIMED_OUT, "partial\n", True)
    assert session.id in result.reason
    assert (await host.store.get(result.id)).result == result
    with pytest.raises(SessionLost, match="timed_out"):
        await run(host, session, "1")
    assert (await seen.end_of(session)).ended_by == "lost"


async def test_a_process_that_kills_itself_is_a_result(host, run):
    """The command that ends its own process has a result with the signal; after it the session is lost."""
    session = await host.open_session("python")
    result = await run(host, session, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert (result.status, result.signal, result.session_ended) == (Status.KILLED, "SIGKILL", True)
    with pytest.raises(SessionLost):
        await run(host, session, "1")
