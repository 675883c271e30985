"""After any end nothing is left: no process, no control group, no mount, no descriptor, no file."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from adapters.sandbox.cgroups import owner_tag
from host.models import Status

ENDS = {
    "succeeded": ("result = 1", {}),
    "failed": ("1/0", {}),
    "killed": ("import os; os.kill(os.getpid(), 9)", {}),
    "timed out": ("import time; time.sleep(60)", {"max_execution_time": 200}),
    "output": ("while True: print('x' * 1000)", {"max_output_bytes": 1000}),
    "daemons": (
        "import os, time, signal\n"
        "for n in range(5):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        for s in (1, 2, 15): signal.signal(s, signal.SIG_IGN)\n"
        "        if n == 4: os.kill(os.getpid(), signal.SIGSTOP)\n"
        "        if os.fork() == 0: time.sleep(600)\n"
        "        time.sleep(600)\n",
        {},
    ),
    "fork bomb": ("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", {"max_execution_time": 500}),
}


def _processes(bench) -> set[int]:
    """Processes of this adapter's: bubblewraps, launchers, keepers and what they started."""
    label = owner_tag(bench.owner).encode()
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if label in (folder / "cmdline").read_bytes():
                found.add(int(folder.name))
        except OSError:
            continue
    return found


def _groups(bench) -> list[Path]:
    """The folders of control groups that are not kept to be used again."""
    cgroups = bench.adapter._machine.cgroups
    stock = bench.adapter._engine.warmth._accounts._stock
    kept = set() if stock is None else {folder for metered in stock._free for folder in metered.group.folders}
    parents = () if cgroups is None else cgroups.parents
    return [path for parent in parents for path in parent.glob(f"{cgroups._prefix}*") if path not in kept]


async def _settled(bench) -> tuple[int, int, int]:
    """How many processes, control groups and descriptors there are when nothing runs and every pool is full."""
    warmth = bench.adapter._engine.warmth

    def settled() -> bool:
        full = all(pool.size == pool.target and all(min(s.pids()) for s, _ in pool._ready) for pool in warmth.pools)
        living = sum(len(home.nursery._spares) for home in warmth.homes if home.nursery)
        return full and living == sum(pool.size for pool in warmth.pools)

    while not settled():
        await asyncio.sleep(0.005)
    descriptors = len(os.listdir("/proc/self/fd")) - bench.adapter.kept().descriptors
    return len(_processes(bench)), len(_groups(bench)), descriptors


@pytest.mark.parametrize("end", ENDS)
async def test_nothing_is_left(bench, end):
    """After each kind of end the machine is as before."""
    code, limits = ENDS[end]
    await bench.run(code, **limits)
    await bench.run(code, **limits)
    before = await _settled(bench)
    mounts = Path("/proc/self/mountinfo").read_text()
    result = await bench.run(code, **limits)
    assert result.may_have_started
    after = await _settled(bench)
    assert all(now <= then for now, then in zip(after, before, strict=True)), (after, before)
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert not list(bench.adapter._folder.glob("making-*"))


async def test_background_children_do_not_delay_the_end(bench):
    """A child that holds the pipes open is killed when the program ends."""
    code = "import os, time\nif os.fork() == 0: time.sleep(600)\nprint('done')"
    async with asyncio.timeout(30):
        result = await bench.run(code)
    assert (result.status, result.stdout) == (Status.SUCCEEDED, "done\n")


async def test_no_state_from_run_to_run(bench):
    """What one run wrote, the next does not see."""
    code = "import os\nresult = [os.listdir('/work'), os.listdir('/tmp')]\nopen('/work/x', 'w')\nopen('/tmp/x', 'w')"
    first, second = await bench.run(code), await bench.run(code)
    assert first.value == second.value == [[], []]


HOST = '''
import asyncio, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from conftest import start

CODE = """
import os, time
for n in range(3): os.fork()
print('up', flush=True)
time.sleep(600)
"""

async def main():
    bench = await start(Path({state!r}), **{settings!r})
    for home in bench.adapter._engine.warmth.homes:
        await home.get()
    run = asyncio.ensure_future(bench.run(CODE))
    while not bench.events:
        await asyncio.sleep(0.01)
    engine = bench.adapter._engine
    walled = [home.nursery._walled for home in engine.warmth.homes if home.nursery]
    print(walled[0].pid if walled else [run._walled.pid for run in engine._runs.values()][0], flush=True)
    await run

asyncio.run(main())
'''


async def test_killing_the_host_kills_the_run(by_default, tmp_path, settings):
    """Kill -9 of the host leaves no process; what is left of its control groups is removed by the next host."""
    state = tmp_path / "state"
    program = textwrap.dedent(HOST).format(tests=str(Path(__file__).parent), state=str(state), settings=settings)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment) as host:
        launcher = int(host.stdout.readline())
        handle = os.pidfd_open(launcher)
        host.send_signal(signal.SIGKILL)
        loop = asyncio.get_running_loop()
        gone = loop.create_future()
        loop.add_reader(handle, lambda: gone.done() or gone.set_result(None))
        async with asyncio.timeout(20):
            await gone
        loop.remove_reader(handle)
        os.close(handle)
    owner = f"tests-{host.pid}-state"
    if by_default.adapter._machine.cgroups is not None and "cgroup" not in settings:
        assert await by_default.adapter.reap([owner]) >= 1
    assert await by_default.adapter.reap([owner]) == 0


async def test_closing_ends_every_run(start_bench, tmp_path):
    """Closing the adapter kills what runs and waits for it."""
    bench = await start_bench(tmp_path)
    running = asyncio.ensure_future(bench.run("import time\nprint('up', flush=True)\ntime.sleep(600)"))
    while not bench.events:
        await asyncio.sleep(0.01)
    await bench.adapter.aclose()
    assert (await running).status is Status.CANCELLED
