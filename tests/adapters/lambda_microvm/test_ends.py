"""How a run ends that does not end by itself: cancelled, closed, or orphaned. Nothing is left of it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from adapters.lambda_microvm.ledger import Ledger
from host.errors import AdapterError
from host.testing.bench import Recorder
from tests.adapters.lambda_microvm.rig import ran
from tests.emulators import faults

CHATTY = "import time\nprint('ready')\nwhile True:\n    print('on', flush=True)\n    time.sleep(0.01)"
ENDLESS = "import os, time\nprint('ready', flush=True)\nos.fork() or os.setsid()\nwhile True: time.sleep(0.01)"


def records(rig) -> list[Path]:
    """What is written down."""
    return sorted((rig.folder / "lambda_microvm" / "started").iterdir())


async def begun(adapter):
    """An endless program that is running."""
    emitted = Recorder()
    task = asyncio.create_task(ran(adapter, ENDLESS, emit=emitted))
    await emitted.wait_for("ready")
    return task


async def test_cancelling_ends_the_microvm_first(rig):
    """When CancelledError comes back the MicroVM is over, its processes are dead and nothing is written down."""
    adapter = await rig.adapter()
    task = await begun(adapter)
    assert len(records(rig)) == 1
    (microvm,) = rig.microvms.living()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert rig.microvms.living() == []
    assert rig.microvms.machine(microvm).processes() == []
    assert records(rig) == []


async def test_cancelling_while_a_microvm_starts(rig):
    """Whoever is cancelled while AWS starts a MicroVM leaves none, also where AWS's answer never arrives."""
    adapter = await rig.adapter()
    for where in ("before", "after"):
        stuck = rig.account.fail("RunMicrovm", faults.stuck(where=where), calls=[1])
        task = asyncio.create_task(ran(adapter, "1"))
        assert await asyncio.to_thread(stuck.struck.wait, 20)
        task.cancel()
        await asyncio.sleep(0)
        stuck.release()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert rig.microvms.living() == []
        assert records(rig) == []
    assert rig.posts() == []


async def test_cancelling_while_the_door_is_shut(rig):
    """Whoever is cancelled while a MicroVM gets ready leaves none."""
    shut = rig.account.fail("Endpoint", faults.error("BadGateway", "Bad Gateway", status=502))
    adapter = await rig.adapter()
    task = asyncio.create_task(ran(adapter, "1"))
    assert await asyncio.to_thread(shut.struck.wait, 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert rig.microvms.living() == []


async def test_cancelling_is_bounded(rig, monkeypatch):
    """Where AWS does not end a MicroVM, whoever is cancelled is released in time; the record stays for the reaper."""
    monkeypatch.setattr("adapters.lambda_microvm.fleet._PATIENCE_S", 0.5)
    adapter = await rig.adapter()
    task = await begun(adapter)
    fault = rig.account.fail("TerminateMicrovm", faults.stuck())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(records(rig)) == 1
    fault.remove()


async def test_closing_ends_what_runs(rig):
    """Closing the adapter ends programs with an error of ours, and every MicroVM."""
    adapter = await rig.adapter()
    task = await begun(adapter)
    await adapter.aclose()
    with pytest.raises(AdapterError, match="closed"):
        await task
    assert rig.microvms.living() == []
    assert records(rig) == []


HOST = """
import asyncio, json, sys
from pathlib import Path
sys.path.insert(0, {checkout!r})
from adapters.lambda_microvm.adapter import LambdaMicrovmAdapter
from host.interface import AdapterContext, OutputEvent
from host.models import ExecutionRequest
from host.policy import Policy

async def main(folder, what, settings):
    adapter = LambdaMicrovmAdapter()
    await adapter.start(AdapterContext(settings=json.loads(settings), state_dir=Path(folder), owner="dead one"))
    policy = Policy(name="open", allowed_imports=None, max_execution_time=600_000)
    if what == "session":
        await adapter.open("s", "python", policy)
        print("ready", flush=True)
        await asyncio.sleep(600)
    elif what == "warm":
        while adapter._engine._warm.count < 2:
            await asyncio.sleep(0.01)
        print("ready", flush=True)
        await asyncio.sleep(600)
    else:
        code = {chatty!r} if what == "chatty" else {endless!r}
        emit = lambda event: print(event.text if isinstance(event, OutputEvent) else "", end="", flush=True)
        await adapter.execute(ExecutionRequest(code=code), policy, emit)

asyncio.run(main(*sys.argv[1:]))
"""


class Host:
    """A host in a process of its own."""

    def __init__(self, rig, what: str, **settings: object) -> None:
        source = HOST.format(checkout=str(Path(__file__).resolve().parents[3]), endless=ENDLESS, chatty=CHATTY)
        command = [sys.executable, "-c", source, str(rig.folder), what, json.dumps(settings)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, env=dict(os.environ), text=True)

    def ready(self) -> None:
        """Return once it is under way."""
        assert self.process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        """As the kernel does when there is no memory left."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)
        self.process.stdout.close()


@pytest.mark.parametrize("what", ["program", "session", "warm"])
async def test_a_host_that_is_killed(rig, what):
    """What a host that is killed leaves running the next one ends when it reaps, by what was written down."""
    host = Host(rig, what, warm=2 if what == "warm" else 0)
    await asyncio.to_thread(host.ready)
    left = 2 if what == "warm" else 1
    assert len(rig.microvms.living()) == left
    host.kill()
    adapter = await rig.adapter(owner="next one")
    assert await adapter.reap(["somebody else"]) == 0
    assert len(rig.microvms.living()) == left
    assert await adapter.reap(["dead one"]) == left
    assert rig.microvms.living() == []
    assert records(rig) == []
    assert await adapter.reap(["dead one"]) == 0


async def test_a_program_whose_host_is_killed_ends_at_once(rig):
    """The server in the MicroVM ends a program when nobody takes its output any more, before anybody reaps."""
    host = Host(rig, "chatty")
    await asyncio.to_thread(host.ready)
    (microvm,) = rig.microvms.living()
    machine = rig.microvms.machine(microvm)
    before = len(machine.processes())
    host.kill()
    waiting = threading.Event()
    async with asyncio.timeout(20):
        while len(machine.processes()) >= before:
            await asyncio.to_thread(waiting.wait, 0.02)
    adapter = await rig.adapter(owner="next one")
    assert await adapter.reap(["dead one"]) == 1


async def test_a_host_that_kept_its_state_elsewhere(rig, tmp_path):
    """Without its records, a MicroVM says itself whose it was."""
    host = Host(rig, "session")
    await asyncio.to_thread(host.ready)
    host.kill()
    rig.folder = tmp_path / "another"
    adapter = await rig.adapter(owner="next one")
    assert await adapter.reap(["dead one"]) == 1
    assert rig.microvms.living() == []


async def test_a_host_that_was_killed_before_it_knew(rig):
    """A start that was written down and whose answer nobody saw is found by its client token."""
    fault = rig.account.fail("RunMicrovm", faults.stuck(where="after"))
    host = Host(rig, "program")
    assert await asyncio.to_thread(fault.struck.wait, 30)
    host.kill()
    fault.remove()
    assert len(rig.microvms.living()) == 1
    adapter = await rig.adapter(owner="next one")
    assert await adapter.reap(["dead one"]) == 1
    assert rig.microvms.living() == []
    assert rig.calls("RunMicrovm") == 2


async def test_a_reaper_that_fails_goes_on(rig, monkeypatch):
    """Where AWS does not answer the reaper, it tries again by itself."""
    monkeypatch.setattr("adapters.lambda_microvm.fleet._AGAIN_S", 0.05)
    host = Host(rig, "session")
    await asyncio.to_thread(host.ready)
    host.kill()
    fault = rig.account.fail("TerminateMicrovm", faults.denied())
    adapter = await rig.adapter(owner="next one")
    assert await adapter.reap(["dead one"]) == 0
    assert len(rig.microvms.living()) == 1
    fault.remove()
    await rig.ended()


async def test_aws_ends_what_nobody_reaps(rig):
    """A MicroVM is started with the time that its program may take, after which AWS ends it."""
    host = Host(rig, "program")
    await asyncio.to_thread(host.ready)
    host.kill()
    (call,) = rig.account.log.calls("RunMicrovm")
    assert 600 < call.input["maximumDurationInSeconds"] < 900
    rig.microvms.advance(call.input["maximumDurationInSeconds"] + 1)
    assert rig.microvms.living() == []


async def test_records_that_cannot_be_used(rig):
    """A record that cannot be read harms nobody; one of a MicroVM that AWS has ended by now is forgotten."""
    folder = rig.folder / "lambda_microvm" / "started"
    ledger = Ledger(folder, "dead one")
    (folder / "dead%20one~broken.json").write_text("{")
    old = ledger.begin("us-east-1", {}, -1000)
    adapter = await rig.adapter(owner="next one")
    assert not old.path.exists()
    ledger.begin("us-east-1", {"clientToken": "x"}, -1000)
    assert await adapter.reap(["dead one"]) == 0
    assert [path.name for path in folder.iterdir()] == ["dead%20one~broken.json"]


async def test_nothing_is_started_that_cannot_be_written_down(rig):
    """Where the record cannot be written no MicroVM is started."""
    adapter = await rig.adapter()
    folder = rig.folder / "lambda_microvm" / "started"
    folder.rmdir()
    folder.write_text("in the way")
    with pytest.raises(AdapterError, match="cannot be written") as raised:
        await ran(adapter, "1")
    assert not raised.value.may_have_started
    assert rig.calls("RunMicrovm") == 0
