"""Live interpreters: one at AWS for each, kept by the service's notebook."""

import asyncio

import pytest

from adapters.bedrock import live
from host.errors import AdapterError, SessionLost
from host.models import Status
from host.policy import Limits
from tests.adapters.bedrock.emulated import OPEN


async def test_variables_files_and_output(bedrock):
    """What a command leaves the next one finds, each has its own output, and each is one call."""
    await bedrock.adapter.open("s", "python", OPEN)
    bedrock.account.log.clear()
    await bedrock.command("s", "x = 41\nopen('note', 'w').write('kept')")
    result = await bedrock.command("s", "print('now')\nx + 1, open('note').read()")
    assert (result.status, result.value, result.stdout) == (Status.SUCCEEDED, [42, "kept"], "now\n")
    assert len(bedrock.account.log.calls()) == 2
    await bedrock.adapter.close("s")
    await bedrock.nothing_runs()


@pytest.mark.parametrize(
    ("language", "leave", "find"),
    [
        ("javascript", "let x = 41", "x + 1"),
        ("typescript", "let x: number = 41", "x + 1"),
        ("sql", "CREATE TABLE kept AS SELECT 41 AS a", "SELECT a + 1 AS b FROM kept"),
    ],
)
async def test_every_language_that_keeps_something(bedrock, language, leave, find):
    """Each language that keeps sessions anywhere keeps them there."""
    await bedrock.adapter.open("s", language, OPEN)
    await bedrock.command("s", leave, language=language)
    value = (await bedrock.command("s", find, language=language)).value
    assert getattr(value, "rows", [[value]])[0][0] == 42
    await bedrock.adapter.close("s")


async def test_a_long_answer_comes_in_pieces(bedrock, monkeypatch):
    """What the notebook does not print at once is asked for, and the command is not run again."""
    monkeypatch.setattr(live, "FIRST", 100_000)
    await bedrock.adapter.open("s", "python", OPEN)
    result = await bedrock.command(
        "s", "import random\nn = globals().get('n', 0) + 1\nrandom.Random(1).randbytes(300_000)"
    )
    assert len(result.value) == 300_000
    assert len(bedrock.sent("_understudy.more")) >= 3
    assert (await bedrock.command("s", "n")).value == 1
    await bedrock.adapter.close("s")


async def test_a_deadline_is_a_result(bedrock):
    """A command that uses up its time is timed_out with its output; the session goes on with what it had."""
    await bedrock.adapter.open("s", "python", OPEN)
    await bedrock.command("s", "x = 41")
    result = await bedrock.command(
        "s", "print('ready', flush=True)\nwhile True: pass", limits=Limits(max_execution_time=500)
    )
    assert (result.status, result.stdout) == (Status.TIMED_OUT, "ready\n")
    assert bedrock.adapter.alive("s")
    assert (await bedrock.command("s", "x + 1")).value == 42
    await bedrock.adapter.close("s")


async def test_cancelling_ends_the_session(bedrock):
    """The service cannot reach into a call: cancelling a command ends its session at AWS before the caller goes on."""
    await bedrock.adapter.open("s", "python", OPEN)
    task = asyncio.ensure_future(bedrock.command("s", "while True: pass"))
    await asyncio.to_thread(
        bedrock.account.log.wait, "InvokeCodeInterpreter", when=lambda given: "obey" in str(given.get("arguments"))
    )
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bedrock.service.running() == []
    assert not bedrock.adapter.alive("s")
    with pytest.raises(SessionLost):
        await bedrock.command("s", "1")


async def test_a_session_that_aws_ended(bedrock):
    """Where AWS has ended the session a command says that it is lost; nothing was run."""
    await bedrock.adapter.open("s", "python", OPEN)
    bedrock.service.running()[0].end()
    with pytest.raises(SessionLost):
        await bedrock.command("s", "1")
    assert not bedrock.adapter.alive("s")


async def test_an_interpreter_that_ends_itself(bedrock):
    """A command that kills its interpreter has a result, its session is stopped, and the next one is told."""
    await bedrock.adapter.open("s", "python", OPEN)
    result = await bedrock.command("s", "import os; os.kill(os.getpid(), 9)")
    assert result.status is Status.KILLED
    assert not bedrock.adapter.alive("s")
    await bedrock.nothing_runs()
    with pytest.raises(SessionLost):
        await bedrock.command("s", "1")


async def test_an_interpreter_that_cannot_be_started(bedrock, monkeypatch):
    """What goes wrong while a session is opened is an error, and leaves no session."""
    monkeypatch.setattr(live, "held", lambda home, setup, site: ["/bin/false"])
    with pytest.raises(AdapterError, match="the interpreter is gone") as caught:
        await bedrock.adapter.open("s", "python", OPEN)
    assert not caught.value.may_have_started
    assert not bedrock.adapter.alive("s")
    await bedrock.nothing_runs()


async def test_what_a_session_costs(bedrock):
    """Each command is charged for the memory since the one before, and for processors while something ran."""
    await bedrock.adapter.open("s", "python", OPEN)
    await bedrock.command("s", "1")
    await asyncio.sleep(0.5)
    quantities = (await bedrock.command("s", "1")).usage.priced.quantities
    assert quantities["gb_seconds"] >= 8 * 0.5
    assert quantities["vcpu_seconds"] < quantities["gb_seconds"] / 4
    await bedrock.adapter.close("s")
