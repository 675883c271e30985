"""Sessions in MicroVMs of their own."""

import asyncio

import pytest

from host.errors import AdapterError, SessionLost
from host.interface import discard
from host.models import ExecutionRequest, Status
from host.testing.bench import Recorder
from tests.adapters.lambda_microvm.rig import OPEN
from tests.emulators import faults


async def said(adapter, code, session="s", emit=discard, language="python"):
    """What comes of one command."""
    request = ExecutionRequest(code=code, language=language, session=session)
    return await adapter.run(session, request, OPEN, emit)


async def test_a_session_and_its_microvm(rig):
    """A session has a MicroVM for itself, which AWS ends when it is idle or old, and we when it is closed."""
    adapter = await rig.adapter(session_s=600, idle_s=120)
    await adapter.open("s", "python", OPEN)
    assert (await said(adapter, "x = 20")).status is Status.SUCCEEDED
    result = await said(adapter, "x + 22")
    assert result.value == 42
    assert result.usage.priced.quantities["gb_seconds"] > 0
    (call,) = rig.account.log.calls("RunMicrovm")
    assert call.input["maximumDurationInSeconds"] == 600
    assert call.input["idlePolicy"] == {
        "maxIdleDurationSeconds": 120,
        "suspendedDurationSeconds": 0,
        "autoResumeEnabled": False,
    }
    assert adapter.alive("s")
    await adapter.close("s")
    assert not adapter.alive("s")
    assert rig.microvms.living() == []


async def test_a_session_that_aws_has_ended(rig, monkeypatch):
    """A command for a session whose MicroVM is gone is told so and is not sent."""
    monkeypatch.setattr("adapters.lambda_microvm.sessions._TRUSTED_S", 0.0)
    adapter = await rig.adapter()
    await adapter.open("s", "python", OPEN)
    (microvm,) = rig.microvms.living()
    await asyncio.to_thread(rig.microvms.machine(microvm).terminate, "idle")
    with pytest.raises(SessionLost):
        await said(adapter, "1")
    assert not adapter.alive("s")
    assert rig.posts("/command") == []


async def test_a_command_is_sent_once(rig):
    """Whatever happens to the request that carries a command, it is not sent again, and the session is over."""
    adapter = await rig.adapter()
    for number, fault in enumerate((faults.cut("before"), faults.cut("after"), faults.cut("middle")), 1):
        session = f"s{number}"
        await adapter.open(session, "python", OPEN)
        rig.account.fail("Endpoint", fault, when=lambda given: given["path"] == "/command")
        with pytest.raises(AdapterError) as raised:
            await said(adapter, "1", session)
        assert (raised.value.lost, raised.value.may_have_started) == (True, True)
        assert len(rig.posts("/command")) == number
        assert not adapter.alive(session)
        assert rig.microvms.living() == []
        fault.remove()


async def test_cancelling_a_command(rig):
    """A command that gives way when it is cancelled leaves its session whole; one that is deaf takes it along."""
    adapter = await rig.adapter()
    await adapter.open("s", "python", OPEN)
    await said(adapter, "x = 42")
    emitted = Recorder()
    waiting = "import time\nprint('ready', flush=True)\ntime.sleep(60)"
    task = asyncio.create_task(said(adapter, waiting, emit=emitted))
    await emitted.wait_for("ready")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await said(adapter, "x")).value == 42
    deaf = "import signal, time\nsignal.signal(2, signal.SIG_IGN)\nprint('deaf', flush=True)\nwhile True: time.sleep(1)"
    task = asyncio.create_task(said(adapter, deaf, emit=emitted))
    await emitted.wait_for("deaf")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(SessionLost):
        await said(adapter, "x")
    await rig.ended()


async def test_a_session_that_does_not_open(rig):
    """Where the interpreter cannot be started, the error says so and no MicroVM is left."""
    adapter = await rig.adapter()
    with pytest.raises(AdapterError, match="keeps no sessions"):
        await adapter.open("s", "bash", OPEN)
    rig.account.fail("Endpoint", faults.cut("after"), when=lambda given: given["path"] == "/session")
    with pytest.raises(AdapterError):
        await adapter.open("t", "python", OPEN)
    assert rig.microvms.living() == []
    for session in "st":
        assert not adapter.alive(session)
        with pytest.raises(SessionLost):
            await said(adapter, "1", session)
