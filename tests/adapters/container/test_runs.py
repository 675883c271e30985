"""Programs in real containers: who waits, what is left, and what a caller gets when the engine fails."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.container.adapter import ContainerAdapter
from adapters.container.hardening import LABEL_ADAPTER, LABEL_OWNER
from host.errors import AdapterError, SessionLost
from host.interface import AdapterContext, OutputEvent, discard
from host.models import ExecutionRequest, Status
from host.policy import FileSystemAccess, Policy
from tests.adapters.container.between import between

OPEN = Policy(
    name="open",
    allowed_imports=None,
    file_system_access=FileSystemAccess.SANDBOXED,
    max_execution_time=60_000,
    max_cpu_time=60_000,
)
ENDLESS = "print('ready', flush=True)\nwhile True:\n    pass"
_OWNER = "test-of-containers"
_STATES = tempfile.TemporaryDirectory(prefix="containers-")  # of all adapters here; it goes when the session does


async def _started(address: str, owner: str = _OWNER, **settings) -> ContainerAdapter:
    adapter = ContainerAdapter()
    table = {"enabled": True, "host": address, "min_ready": 0, "reap_every_ms": 3_600_000, **settings}
    folder = Path(tempfile.mkdtemp(dir=_STATES.name))
    await adapter.start(AdapterContext(settings=table, state_dir=folder, owner=owner, languages=("python",)))
    return adapter


@pytest_asyncio.fixture(loop_scope="session")
async def way(engine, images, tmp_path_factory):
    """A way to the engine that can be broken."""
    async with between(engine.address, tmp_path_factory.mktemp("way")) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def adapter(way):
    """One that goes that way."""
    adapter = await _started(way.address, engine_timeout_ms=20_000)
    yield adapter
    way.mend()
    await adapter.aclose()


async def _of(engine, owner: str = _OWNER) -> list[str]:
    """The containers of an owner, by name."""
    found = await engine.containers.list(all=True, filters={"label": [f"{LABEL_OWNER}={owner}"]})
    return [each["Names"][0] for each in found]


async def _none_left(engine, owner: str = _OWNER, within_s: float = 30.0) -> list[str]:
    """What is left of an owner's containers once the engine has had time to take them away."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while await _of(engine, owner):
                await asyncio.sleep(0.05)
    return await _of(engine, owner)


def _request(code: str, **more) -> ExecutionRequest:
    return ExecutionRequest(code=code, **more)


async def _begun(adapter, code: str = ENDLESS):
    """A program under way, once it has said so."""
    said = asyncio.Event()

    def emit(event) -> None:
        if isinstance(event, OutputEvent) and "ready" in event.text:
            said.set()

    running = asyncio.ensure_future(adapter.execute(_request(code), OPEN, emit))
    waiting = asyncio.ensure_future(said.wait())
    await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    return running


async def test_each_program_has_a_container_of_its_own(engine, adapter):
    """Two programs see two hosts' names, and nothing of either container is left."""
    code = "import os\nopen('/tmp/x', 'x').close()\nresult = os.uname().nodename"
    first, second = [await adapter.execute(_request(code), OPEN, discard) for _ in range(2)]
    assert first.status is second.status is Status.SUCCEEDED
    assert first.value != second.value
    await adapter.aclose()
    assert not await _none_left(engine)


async def test_one_waits_for_a_kind_that_came_before(adapter, way):
    """From its second program on, a kind has a container waiting; the run then makes no call to create one."""
    for _ in range(2):
        await adapter.execute(_request("1"), OPEN, discard)
    pool = adapter._the_pool
    async with asyncio.timeout(30):
        while not pool.ready:
            await asyncio.sleep(0.02)
    way.calls.clear()
    way.fail("containers/create", "refused")
    result = await adapter.execute(_request("6 * 7"), OPEN, discard)
    assert result.value == 42


async def test_more_programs_than_containers_that_wait(adapter):
    """Twelve at once all run, though none waits for them."""
    results = await asyncio.gather(*(adapter.execute(_request(f"{n} * 2"), OPEN, discard) for n in range(12)))
    assert [result.value for result in results] == [2 * n for n in range(12)]


@pytest.mark.parametrize("runtime", ["runc", "crun"])
async def test_the_check_looks_at_the_wall_from_inside(way, engine, runtime):
    """The check runs a program in each language and says which wall it saw."""
    adapter = await _started(way.address, runtime=runtime)
    try:
        check = await adapter.check()
    finally:
        await adapter.aclose()
    assert check.ok, check
    wall = next(finding for finding in check.findings if finding.name == "wall")
    assert wall.reason.startswith(f"{runtime}; programs run on the kernel of the engine's machine")
    assert "without capabilities or network" in wall.reason


async def test_a_runtime_that_is_not_there(way, images):
    """The check of a runtime that the engine does not know is bad and says how to get it."""
    adapter = await _started(way.address, runtime="runsc")
    try:
        check = await adapter.check()
    finally:
        await adapter.aclose()
    assert not check.ok
    assert "runsc" in check.reason
    assert "gvisor.dev" in check.remedy


async def test_a_runtime_that_only_has_the_name_is_found_out(way, images, monkeypatch):
    """Where a runtime with a kernel of its own is asked for and programs see the machine's, the wall is bad."""
    from adapters.container import checks

    monkeypatch.setattr(checks, "_OWN_KERNEL", ("crun",))
    adapter = await _started(way.address, runtime="crun")
    try:
        check = await adapter.check()
    finally:
        await adapter.aclose()
    assert not check.ok
    assert "on the kernel of the engine's machine" in check.reason


async def test_no_engine_at_all(tmp_path):
    """Where nothing listens the start says so, with a remedy."""
    with pytest.raises(AdapterError) as caught:
        await _started(f"unix://{tmp_path}/none.sock")
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("calls", "how", "words"),
    [
        ("containers/create", "refused", "something went wrong"),
        ("containers/create", "cut", "engine"),
        ("containers/create", "cut-after", "engine"),
        ("containers/create", "stuck", "not ready after"),
        ("/attach", "refused", "something went wrong"),
        ("/attach", "cut", "engine"),
        ("/start", "refused", "something went wrong"),
        ("/start", "cut", "engine"),
        ("/start", "cut-after", "engine"),
        ("/start", "stuck", "not ready after"),
    ],
)
async def test_a_container_that_cannot_be_made(engine, way, calls, how, words):
    """Whatever fails before the program: a typed error says that nothing ran, nothing was asked twice or is left."""
    adapter = await _started(way.address, start_timeout_ms=3000, engine_timeout_ms=10_000, owner="fault")
    try:
        fault = way.fail(calls, how)
        with pytest.raises(AdapterError) as caught:
            await adapter.execute(_request("1"), OPEN, discard)
        assert words in str(caught.value)
        assert not caught.value.may_have_started
        assert fault.hits == 1
        way.mend()
        async with asyncio.timeout(30):  # the engine may still be at it
            while await _of(engine, "fault"):
                await adapter._remove_unknown()
        assert (await adapter.execute(_request("1"), OPEN, discard)).value == 1
    finally:
        way.mend()
        await adapter.aclose()


async def test_the_engine_goes_away_in_mid_run(engine, adapter, way):
    """The caller gets a typed error at once, the fate is unknown and said so, and the container ends by itself."""
    running = await _begun(adapter)
    way.cut()
    with pytest.raises(AdapterError) as caught:
        async with asyncio.timeout(30):
            await running
    assert (caught.value.may_have_started, caught.value.lost) == (True, True)
    assert not await _none_left(engine)
    way.mend()
    assert (await adapter.execute(_request("6 * 7"), OPEN, discard)).value == 42


async def test_containers_that_waited_for_an_engine_that_was_started_anew(adapter, way):
    """One whose connection broke while it waited serves nobody; the next program gets another."""
    for _ in range(2):
        await adapter.execute(_request("1"), OPEN, discard)
    pool = adapter._the_pool
    async with asyncio.timeout(30):
        while not pool.ready or pool.making:
            await asyncio.sleep(0.02)
    way.cut()
    async with asyncio.timeout(30):
        while any(box.waits for box in pool.boxes()):
            await asyncio.sleep(0.02)
    way.mend()
    assert (await adapter.execute(_request("6 * 7"), OPEN, discard)).value == 42


async def test_somebody_removes_the_container(engine, adapter):
    """A run whose container is removed ends at once with a typed error."""
    running = await _begun(adapter)
    for container in await engine.containers.list(filters={"label": [f"{LABEL_OWNER}={_OWNER}"]}):
        await container.delete(force=True)
    with pytest.raises(AdapterError) as caught:
        async with asyncio.timeout(30):
            await running
    assert caught.value.lost


async def test_cancelling_leaves_nothing_that_runs(engine, adapter):
    """When the cancelled caller is released the container is dead."""
    running = await _begun(adapter)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    states = [
        each["State"]
        for each in await engine.containers.list(all=True, filters={"label": [f"{LABEL_OWNER}={_OWNER}"]})
        if each._container.get("Names")
    ]
    assert "running" not in states
    assert not await _none_left(engine)


async def test_cancelling_while_the_engine_is_gone(engine, adapter, way):
    """A cancelled caller is released though the engine does not answer, and the container ends with its connection."""
    running = await _begun(adapter)
    way.fail("/kill", "cut")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(60):
            await running
    way.mend()
    assert not await _none_left(engine)


async def test_the_runner_is_late(adapter, monkeypatch):
    """Where the runner does not end the program in time, the host kills the container; the status is the same."""
    from adapters.container import run

    monkeypatch.setattr(run, "_GRACE_S", -1.9)
    policy = OPEN.model_copy(update={"max_execution_time": 3000})
    result = await adapter.execute(_request("import time\nprint('x', flush=True)\ntime.sleep(60)"), policy, discard)
    assert (result.status, result.stdout) == (Status.TIMED_OUT, "x\n")


async def test_a_session_in_a_container(engine, adapter):
    """Commands share an interpreter; one that is killed says so, and the session is over; nothing is left."""
    await adapter.open("s", "python", OPEN)
    assert (await adapter.run("s", _request("x = 20", session="s"), OPEN, discard)).status is Status.SUCCEEDED
    assert (await adapter.run("s", _request("x + 22", session="s"), OPEN, discard)).value == 42
    killed = await adapter.run("s", _request("import os\nos.kill(os.getpid(), 9)", session="s"), OPEN, discard)
    assert (killed.status, adapter.alive("s")) == (Status.KILLED, False)
    with pytest.raises(SessionLost):
        await adapter.run("s", _request("x", session="s"), OPEN, discard)
    await adapter.close("s")
    assert not await _none_left(engine)


async def test_the_reaper_takes_what_dead_hosts_left(engine, adapter, images):
    """Containers of a dead owner are removed, whatever state they are in, and nobody else's."""
    for owner in ("dead-host", "live-host"):
        await engine.containers.create(
            config={"Image": images["python"].id, "Labels": {LABEL_ADAPTER: "container", LABEL_OWNER: owner}}
        )
    try:
        assert await adapter.reap(["dead-host", "never-was"]) == 1
        assert (len(await _of(engine, "dead-host")), len(await _of(engine, "live-host"))) == (0, 1)
    finally:
        await adapter.reap(["live-host"])


async def test_what_nobody_knows_of_is_removed_in_time(engine, way, images):
    """A container with this host's label that the host does not know of is gone after the reaper's period."""
    adapter = await _started(way.address, owner="forgetful", reap_every_ms=50)
    try:
        await engine.containers.create(
            config={"Image": images["python"].id, "Labels": {LABEL_ADAPTER: "container", LABEL_OWNER: "forgetful"}}
        )
        assert not await _none_left(engine, "forgetful")
    finally:
        await adapter.aclose()


_HOST = """
import asyncio, json, sys
from pathlib import Path
from adapters.container.adapter import ContainerAdapter
from host.interface import AdapterContext
from host.models import ExecutionRequest
from host.policy import Policy

async def main():
    adapter = ContainerAdapter()
    settings = {"host": sys.argv[1], "enabled": True}
    await adapter.start(AdapterContext(settings, Path(sys.argv[2]), "killed-host", ("python",)))
    def emit(event):
        print("running", flush=True)
    policy = Policy(name="p", allowed_imports=None, max_execution_time=600_000)
    await adapter.execute(ExecutionRequest(code="print(1, flush=True)\\nimport time\\ntime.sleep(600)"), policy, emit)

asyncio.run(main())
"""


async def test_a_host_that_is_killed_leaves_nothing_running(engine, images, tmp_path):
    """After SIGKILL of a host in mid-run its containers end by themselves, before any reaper comes."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _HOST, engine.address, str(tmp_path)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert await process.stdout.readline() == b"running\n"
    assert await _of(engine, "killed-host")
    process.send_signal(signal.SIGKILL)
    await process.wait()
    assert not await _none_left(engine, "killed-host")


async def test_nothing_of_the_engine_gets_into_a_result(adapter):
    """A result holds no id, name or label of the container beside the host name that the program saw itself."""
    result = await adapter.execute(_request("print('x')\n1"), OPEN, discard)
    assert "understudy" not in json.dumps(result.model_dump(mode="json", exclude={"adapter", "adapter_version"}))
