"""Whoever gives up on a run, or dies of something else: nothing goes on at AWS."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from host import Host, build_host, load_settings
from host.errors import AdapterError
from host.hookspecs import hookimpl
from host.models import Status
from host.policy import Limits
from host.specs import AdapterSpec
from tests.adapters.bedrock.conftest import told
from tests.adapters.bedrock.emulated import OPEN
from tests.emulators import faults

ENDLESS = "import os, time\nif os.fork() == 0:\n    os.setsid()\nwhile True:\n    time.sleep(0.01)"
CHECKOUT = Path(__file__).resolve().parents[3]


def has(text):
    """Whether a call of a tool has this text in what it runs."""
    return lambda given: text in told(given)


@pytest.mark.parametrize(
    ("operation", "when"),
    [
        ("StartCodeInterpreterSession", None),
        ("InvokeCodeInterpreter", lambda given: given["name"] == "writeFiles"),
        ("InvokeCodeInterpreter", has("understudy.zip")),
        ("InvokeCodeInterpreter", has("enter.py run")),
    ],
    ids=["while-it-starts", "while-it-is-written", "while-it-is-made-ready", "while-it-runs"],
)
async def test_cancelling_stops_the_far_side(bedrock, operation, when):
    """At whatever step a run is cancelled, its session has ended at AWS when CancelledError comes back."""
    task = asyncio.ensure_future(bedrock.run(ENDLESS))
    await asyncio.to_thread(bedrock.account.log.wait, operation, when=when)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bedrock.service.running() == []
    assert len(bedrock.sent("enter.py run")) <= 1


async def test_cancelling_twice(bedrock):
    """Who is cancelled again while the session is being stopped still waits for that."""
    task = asyncio.ensure_future(bedrock.run(ENDLESS))
    await asyncio.to_thread(bedrock.account.log.wait, "InvokeCodeInterpreter", when=has("enter.py run"))
    stuck = bedrock.account.fail("StopCodeInterpreterSession", faults.stuck(), calls=[1])
    task.cancel()
    await asyncio.to_thread(stuck.struck.wait)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    stuck.release()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bedrock.service.running() == []


async def test_a_stop_that_does_not_come_back_holds_nobody_for_ever(bedrock, monkeypatch):
    """Where AWS does not answer a stop the caller goes on after seconds; the stop goes on behind."""
    monkeypatch.setattr("adapters.bedrock.adapter.STOP_S", 0.2)
    task = asyncio.ensure_future(bedrock.run(ENDLESS))
    await asyncio.to_thread(bedrock.account.log.wait, "InvokeCodeInterpreter", when=has("enter.py run"))
    stuck = bedrock.account.fail("StopCodeInterpreterSession", faults.stuck(), calls=[1])
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    stuck.release()
    await bedrock.nothing_runs()


async def test_cancelling_before_it_is_sent(start):
    """A run that waits for its turn and is cancelled was never sent."""
    bedrock = await start(max_running=1)
    first = asyncio.ensure_future(bedrock.run(ENDLESS))
    await asyncio.to_thread(bedrock.account.log.wait, "InvokeCodeInterpreter", when=has("enter.py run"))
    second = asyncio.ensure_future(bedrock.run("1"))
    while not bedrock.adapter._slots.waiting:
        await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert len(bedrock.account.log.calls("StartCodeInterpreterSession")) == 1
    first.cancel()
    await asyncio.wait((first,))
    await bedrock.adapter.aclose()


async def test_a_deadline_that_the_far_side_does_not_keep(bedrock, monkeypatch):
    """Where no answer comes in a program's time and a little more, it is lost, and its session is stopped."""
    monkeypatch.setattr("adapters.bedrock.run.GRACE_S", 0.3)
    stuck = bedrock.account.fail("InvokeCodeInterpreter", faults.stuck(where="after"), when=has("enter.py run"))
    with pytest.raises(AdapterError, match="did not say within") as caught:
        await bedrock.run("1", limits=Limits(max_execution_time=300))
    assert (caught.value.lost, caught.value.may_have_started) == (True, True)
    assert bedrock.service.running() == []
    assert len(bedrock.sent("enter.py run")) == 1
    stuck.release()


async def test_closing_ends_what_runs(start):
    """Closing the adapter ends its runs and sessions, each run with an error that says it may have run."""
    bedrock = await start()
    await bedrock.adapter.open("s", "python", OPEN)
    task = asyncio.ensure_future(bedrock.run(ENDLESS))
    await asyncio.to_thread(bedrock.account.log.wait, "InvokeCodeInterpreter", when=has("enter.py run"))
    await bedrock.adapter.aclose()
    with pytest.raises(AdapterError) as caught:
        await task
    assert caught.value.may_have_started
    assert bedrock.service.running() == []


# --- a host that is killed --------------------------------------------------------------------------------------------

_HOST = """
import asyncio, sys
from tests.adapters.bedrock.test_cancel import ENDLESS, host_on
from host import ExecutionRequest
from tests.adapters.bedrock.emulated import OPEN

async def main():
    async with host_on(sys.argv[1], warm=True, min_ready=1, languages=["python"]) as host:
        session = await host.open_session("python", policy="open")
        await host.execute(ExecutionRequest(code=ENDLESS, policy="open", id="killed"))

asyncio.run(main())
"""


class _Plugin:
    """Brings the adapter and the tests' policy to a host."""

    @hookimpl
    def adapters(self):
        yield AdapterSpec("bedrock", "adapters.bedrock.adapter:BedrockAdapter", "under test", opt_in=True)

    @hookimpl
    def named_policies(self, settings):
        yield OPEN


def host_on(state_dir, **settings) -> Host:
    """A host that has this adapter alone."""
    overrides = {
        "plugins.disabled": ("adapters.plugin",),
        "plugins.entry_points": False,
        "state_dir": str(state_dir),
        "adapters.prefer": ("bedrock",),
        "adapters.bedrock": {"enabled": True, **settings},
    }
    return build_host(load_settings(environ={}, overrides=overrides), plugins={"under-test": _Plugin()})


async def test_a_host_that_is_killed_leaves_nothing_to_the_next(agentcore, state_dir):
    """SIGKILL in mid-run: its run, its live session and what it kept warm run on, until the next host starts."""
    service = agentcore.services["bedrock-agentcore"]
    program = [sys.executable, "-c", _HOST, str(state_dir)]
    host = subprocess.Popen(program, env={**os.environ, "PYTHONPATH": str(CHECKOUT)})
    try:
        await asyncio.to_thread(
            agentcore.log.wait, "InvokeCodeInterpreter", timeout=90, when=lambda given: is_long(given)
        )
    finally:
        host.send_signal(signal.SIGKILL)
        host.wait()
    assert len(service.running()) >= 2
    bystander = agentcore.client("bedrock-agentcore")
    other = bystander.start_code_interpreter_session(
        codeInterpreterIdentifier="aws.codeinterpreter.v1", name="not-ours"
    )
    async with host_on(state_dir, warm=False, languages=["python"]) as successor:
        async with asyncio.timeout(30):
            while len(service.running()) > 1:
                await asyncio.sleep(0.02)
        record = await successor.store.get("killed")
        assert record.result.status is Status.INTERRUPTED
    assert [session.id for session in service.running()] == [other["sessionId"]]


def is_long(given) -> bool:
    """Whether a command gives its program as much time as the tests' policy, and not as little as a check's proof."""
    return f"timeout -k 5 {OPEN.max_execution_time // 1000 + 3} " in told(given)


async def test_whose_sessions_are_reaped(start):
    """Only sessions of the owners that are named end, and only where no host has a longer name that begins the same."""
    dead, alive, longer = await start(owner="a"), await start(owner="b"), await start(owner="a-b")
    for bedrock in (dead, alive, longer):
        await bedrock.adapter.open("s", "python", OPEN)
    assert len(alive.service.running()) == 3
    assert await alive.adapter.reap(["a", "nobody"]) == 1
    assert len(alive.service.running()) == 2
    for bedrock in (alive, longer):
        assert (await bedrock.command("s", "1")).value == 1
    for bedrock in (dead, alive, longer):
        await bedrock.adapter.aclose()


async def test_reaping_without_aws(start):
    """Where AWS cannot be asked nothing is reaped, and nothing is raised: the sessions end at their time."""
    bedrock = await start()
    bedrock.account.fail("ListCodeInterpreterSessions", faults.denied())
    assert await bedrock.adapter.reap(["dead"]) == 0
    await bedrock.adapter.aclose()


async def test_closing_while_aws_does_not_answer(start, monkeypatch):
    """An adapter closes in bounded time even where no stop is answered; it says what it leaves to the next host."""
    monkeypatch.setattr("adapters.bedrock.sessions._CLOSE_S", 0.2)
    bedrock = await start()
    await bedrock.adapter.open("s", "python", OPEN)
    stuck = bedrock.account.fail("StopCodeInterpreterSession", faults.stuck())
    await bedrock.adapter.aclose()
    assert len(bedrock.service.running()) == 1
    stuck.release()
    successor = await start(knows=True, owner="successor", warm=True, min_ready=0)
    await successor.adapter.reap(["owner"])
    await successor.nothing_runs()
    await successor.adapter.aclose()


async def test_what_aws_has_ended_is_forgotten(bedrock):
    """A session whose time is over counts no longer, whatever became of its stop."""
    await bedrock.adapter.open("s", "python", OPEN)
    sessions = bedrock.adapter._sessions
    (session,) = sessions._open.values()
    session.ends = 0.0
    assert not bedrock.adapter.alive("s")
    await sessions.tidy()
    assert sessions.count == 0
    await bedrock.adapter.close("s")
