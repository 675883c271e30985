"""Sandboxes that are ready ahead of demand: used once, bounded, replaced, and nothing passes from one to the next."""

import asyncio
import contextlib
import os
import select
import signal
from pathlib import Path

import pytest
import pytest_asyncio

from host.errors import AdapterError
from host.models import ExecutionRequest, Status
from host.policy import Policy

TWO = "import os\n1 + 1"
"""Programs that import nothing have a nursery of their own, with less in it."""


@pytest_asyncio.fixture(loop_scope="session")
async def warm(start_bench, tmp_path):
    """An adapter of its own with a nursery that is up, closed afterwards."""
    bench = await start_bench(tmp_path, max_ready=2)
    await bench.run(TWO)
    for home in bench.adapter._engine.warmth.homes:
        await home.get()
    await bench.run(TWO)
    yield bench
    await bench.adapter.aclose()


def _nursery(bench):
    return next(home.nursery for home in bench.adapter._engine.warmth.homes if home.nursery is not None)


def _pool(bench):
    return next(pool for pool in bench.adapter._engine.warmth.pools if pool.size or pool.statistics.served)


async def _full(bench) -> None:
    """Return when every sandbox that is kept ready has its processes."""
    while not all(min(spare.pids()) for spare in _pool(bench).ready) or not _pool(bench).size:
        await asyncio.sleep(0.005)


async def test_every_run_has_a_sandbox_of_its_own(warm):
    """No two runs share a process or a namespace of their own; each sees itself as process 2."""
    seen = set()
    for _ in range(6):
        await _full(warm)
        spare = _pool(warm).ready[0]
        program = spare.pids()[1]
        seen.add((program, *(Path(f"/proc/{program}/ns/{kind}").readlink() for kind in ("user", "pid", "mnt", "ipc"))))
        assert (await warm.run("import os\nos.getpid()")).value == 2
    assert len({entry[0] for entry in seen}) == 6
    await _full(warm)
    select.select([_pool(warm).ready[0].line], [], [], 20)  # it says that it is ready
    before = _pool(warm).statistics.served
    await warm.run(TWO)
    assert _pool(warm).statistics.served == before + 1


LEAVES = """
import builtins, ctypes, gc, os, random, signal, socket, sys, threading, time
builtins.mark = 'mark'
sys.modules['mark'] = sys
sys.mark = 'mark'
os.environ['MARK'] = 'mark'
os.umask(0)
os.nice(3)
signal.signal(signal.SIGUSR1, lambda *a: None)
signal.setitimer(signal.ITIMER_REAL, 1000)
sys.setrecursionlimit(5000)
gc.disable()
random.seed(1)
import json
json.dumps = lambda *a, **k: 'mark'
str_subclasses = len(str.__subclasses__())
class Mark(str): pass
open('/work/mark', 'w').write('mark')
open('/tmp/mark', 'w').write('mark')
open('/dev/shm/mark', 'w').write('mark')
libc = ctypes.CDLL(None, use_errno=True)
libc.shmget(0x4d41524b, 4096, 0o1666)
libc.msgget(0x4d41524b, 0o1666)
libc.semget(0x4d41524b, 1, 0o1666)
os.dup2(1, 77)
listener = socket.socket(socket.AF_UNIX)
listener.bind('\\0mark')
listener.listen()
for n in range(3):
    if os.fork() == 0:
        os.setsid()
        time.sleep(600)
result = 'left'
"""

FINDS = """
import builtins, ctypes, gc, os, signal, socket, sys, time
found = []
def note(name, wrong):
    if wrong: found.append(name)
note('builtins', hasattr(builtins, 'mark'))
note('modules', 'mark' in sys.modules or hasattr(sys, 'mark'))
note('environment', 'MARK' in os.environ)
mask = os.umask(0o022)
note('umask', mask != 0o022)
note('nice', os.nice(0) != 0)
note('handler', signal.getsignal(signal.SIGUSR1) is not signal.SIG_DFL)
note('timer', signal.getitimer(signal.ITIMER_REAL)[0] != 0)
note('recursion', sys.getrecursionlimit() > 2000)
note('gc', not gc.isenabled())
import json
note('patched', json.dumps([1]) != '[1]')
note('classes', any(each.__name__ == 'Mark' for each in str.__subclasses__()))
for place in ('/work', '/tmp', '/dev/shm'):
    note(place, os.listdir(place))
libc = ctypes.CDLL(None, use_errno=True)
note('shm', libc.shmget(0x4d41524b, 4096, 0) >= 0)
note('msg', libc.msgget(0x4d41524b, 0) >= 0)
note('sem', libc.semget(0x4d41524b, 1, 0) >= 0)
descriptors = []
for number in range(256):
    try:
        os.fstat(number)
        descriptors.append(number)
    except OSError:
        pass
note('descriptors', descriptors != [0, 1, 2, 3])
caller = socket.socket(socket.AF_UNIX)
try:
    caller.connect('\\0mark')
    note('socket', True)
except OSError:
    pass
others = 0
for pid in range(3, 60):
    try:
        os.kill(pid, 0)
        others += 1
    except ProcessLookupError:
        pass
note('processes', others)
note('pending', signal.sigpending())
note('blocked', signal.pthread_sigmask(signal.SIG_BLOCK, []))
result = found
"""


async def test_nothing_passes_from_run_to_run(warm):
    """Variables, patches, files, environment, signals, timers, shared memory, queues, semaphores, descriptors, sockets
    and processes of one run are not there in the next, nor in what is forked after it.
    """
    for _ in range(4):
        await _full(warm)
        left = await warm.run(LEAVES)
        assert left.value == "left", (left.reason, left.stderr)
        assert (await warm.run(FINDS)).value == []


async def test_whom_a_program_leaves_behind_is_dead_when_its_result_comes(warm):
    """A program that ends alone is not waited for to the last; children and orphans of others are."""
    code = "import os, time\nfor n in range(3):\n    if os.fork() == 0:\n        os.setsid()\n        time.sleep(600)"
    for _ in range(5):
        await _full(warm)
        spare = _pool(warm).ready[0]
        program = spare.pids()[1]
        assert (await warm.run(code)).status is Status.SUCCEEDED
        assert spare.dead.done()
        assert not Path(f"/proc/{program}").exists()


SAYS_IT_IS_OVER = """
import os, threading, time
said = b'{"kind":"done","exit_code":0}'
os.write(3, len(said).to_bytes(4, "big") + said)
"""


async def test_a_program_that_says_it_is_over_is(warm):
    """It ends as one that was, at once, and whatever it goes on to do comes to nothing."""
    async with asyncio.timeout(15):
        result = await warm.run(SAYS_IT_IS_OVER + "while True: pass")
    if warm.adapter._machine.cgroups is None:
        assert result.status is Status.TIMED_OUT
        return
    assert (result.status, result.exit_code) == (Status.SUCCEEDED, 0)
    nursery = _nursery(warm)
    while len(nursery._spares) > _pool(warm).size:
        await asyncio.sleep(0.005)


async def test_a_program_with_children_is_not_over_when_it_says_so(warm):
    """While another process runs in its sandbox its word is nothing: its limits hold for all of them."""
    code = SAYS_IT_IS_OVER.replace("said =", "os.fork() or time.sleep(60)\nsaid =") + "time.sleep(60)"
    assert (await warm.run(code, max_execution_time=400)).status is Status.TIMED_OUT


async def test_what_listens_to_the_end_of_javascript_is_heard(warm):
    """The word that a program is over comes after the program's own listeners, and takes its exit code along."""
    code = "addEventListener('unload', () => { console.log('last'); Deno.exitCode = 3 })\n1"
    for _ in range(3):
        result = await warm.run(code, "javascript")
        assert (result.stdout, result.exit_code) == ("last\n", 3)
        assert (await warm.run("console.log('x'); 1 + 1", "javascript")).value == 2


async def test_files_are_found_wherever_they_are_made(warm):
    """A folder is looked at when the program has ended: by itself, or by its own word."""
    for code in ("open('f', 'w').write('1')\n1", "1\nimport os; os.mkdir('d'); open('d/f', 'w').write('1')"):
        assert [file.content for file in (await warm.run(code)).files] == [b"1"]
    assert (await warm.run("import os\nos.mkdir('d')")).files == ()


async def test_random_numbers_differ(warm):
    """Forked interpreters do not draw the same numbers, names or hashes' salts of the program's own."""
    code = "import random, uuid, tempfile, secrets\nresult = [random.random(), str(uuid.uuid4()), secrets.token_hex(8)]"
    drawn = [(await warm.run(code)).value for _ in range(5)]
    assert all(len({values[place] for values in drawn}) == 5 for place in range(3))


async def test_the_memory_of_a_run_holds_nothing_of_another(warm):
    """Code, inputs, environment and files of one run are nowhere in the memory of a sandbox that is forked after it."""
    secret = "s3cr3t-" + os.urandom(16).hex()
    half = len(secret) // 2
    for _ in range(3):
        await warm.run(f"x = {secret!r}\nopen('f', 'w').write(x)", inputs={"token": secret}, environment={"T": secret})
    scan = (
        "import ctypes, gc, sys\n"
        "wanted = (a + b).encode()\n"
        "hits = sum(1 for each in gc.get_objects() if isinstance(each, (str, bytes)) and a + b in str(each))\n"
        "frame, seen = sys._getframe(), []\n"
        "while frame: seen.append(repr(frame.f_locals)); frame = frame.f_back\n"
        "result = [hits, any(a + b in text for text in seen[1:])]"
    )
    result = await warm.run(scan, inputs={"a": secret[:half], "b": secret[half:]})
    assert result.value == [0, False]
    # From outside: every byte of every sandbox that is ready.
    await _full(warm)
    pid = _pool(warm).ready[-1].pids()[1]
    _, keeper, _, template = _nursery(warm).processes(_nursery(warm).holders)[:4]
    for each in (pid, keeper, template):
        assert secret.encode() not in _memory(each)


def _memory(pid: int) -> bytes:
    """All that a process can write to, as its owner sees it; empty where the kernel does not show it."""
    found = []
    with contextlib.suppress(PermissionError), open(f"/proc/{pid}/mem", "rb") as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            place, rights, *_ = line.split()
            if rights.startswith("rw"):
                start, end = (int(part, 16) for part in place.split("-"))
                with contextlib.suppress(OSError, OverflowError, ValueError):
                    memory.seek(start)
                    found.append(memory.read(end - start))
    return b"".join(found)


@pytest.mark.parametrize("who", ["bubblewrap", "keeper", "maker of holders", "template"])
async def test_a_nursery_that_is_killed_is_replaced(warm, who):
    """Whichever process of a nursery dies: what ran there is reported as lost, and the next program runs."""
    nursery = _nursery(warm)
    bubblewrap, keeper, maker, template = nursery.processes(nursery.holders)[:4]
    running = asyncio.ensure_future(warm.run("import time\nprint('up', flush=True)\ntime.sleep(60)"))
    while not warm.events:
        await asyncio.sleep(0.005)
    processes = {"bubblewrap": bubblewrap, "keeper": keeper, "maker of holders": maker, "template": template}
    os.kill(processes[who], signal.SIGKILL)
    if who == "maker of holders":  # needed only for the next ones
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    else:
        with pytest.raises(AdapterError, match="lost") as caught:
            await running
        assert caught.value.lost
    if who == "template":
        assert "the process that programs are forked from is gone" in nursery.trouble
    for _ in range(8):
        assert (await warm.run(TWO)).value == 2


@pytest.mark.parametrize("place", [0, 1], ids=["holder", "program"])
async def test_a_sandbox_that_dies_while_it_waits_is_not_handed_out(warm, place):
    """Killing either process of an idle sandbox costs no run."""
    await _full(warm)
    for spare in _pool(warm).ready:
        os.kill(spare.pids()[place], signal.SIGKILL)
        await spare.dead
    for _ in range(5):
        assert (await warm.run(TWO)).value == 2


async def test_a_sandbox_that_is_killed_while_it_is_made_takes_no_other_along(warm):
    """Killing one at any moment before it is ready, again and again, leaves the nursery and its running programs be."""
    nursery, pool = _nursery(warm), _pool(warm)
    running = asyncio.ensure_future(warm.run("import time\nprint('up', flush=True)\ntime.sleep(60)"))
    while not warm.events:
        await asyncio.sleep(0.005)
    for number in range(200):
        spare, account = pool._made(nursery)
        for _ in range(number % 40):
            await asyncio.sleep(0)
        spare.kill()
        await spare.dead
        spare.close()
        account.close()
    assert (nursery.trouble, running.done()) == ("", False)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert (await warm.run(TWO)).value == 2


async def test_the_holder_of_a_running_sandbox_dies(warm):
    """Killing what holds the namespaces kills all in them; the run ends as killed, and its children with it."""
    code = "import os, time\nfor n in range(3): os.fork()\nprint('up', flush=True)\ntime.sleep(60)"
    running = asyncio.ensure_future(warm.run(code))
    while not warm.events:
        await asyncio.sleep(0.005)
    (run,) = warm.adapter._engine._runs.values()
    os.kill(run._spare.pids()[0], signal.SIGKILL)
    result = await running
    assert (result.status, result.signal) == (Status.KILLED, "SIGKILL")


async def test_a_full_queue_refuses(start_bench, tmp_path):
    """With one turn and room for two to wait, the fourth is refused with its reason and remedy; the others run."""
    bench = await start_bench(tmp_path, max_running=1, max_waiting=2)
    try:
        running = [asyncio.ensure_future(bench.run(f"import time; time.sleep(0.3)\nresult = {n}")) for n in range(3)]
        while bench.adapter._engine.slots.waiting < 2:
            await asyncio.sleep(0.005)
        refusal = bench.adapter.accepts(ExecutionRequest(code="1"), Policy(name="p"))
        assert (refusal.rule, "2 programs wait" in refusal.reason) == ("busy", True)
        assert refusal.remedy
        assert [result.value for result in await asyncio.gather(*running)] == [0, 1, 2]
        assert bench.adapter.accepts(ExecutionRequest(code="1"), Policy(name="p")) is None
    finally:
        await bench.adapter.aclose()


async def test_waiting_does_not_count_as_running(start_bench, tmp_path):
    """A program's time begins with its turn."""
    bench = await start_bench(tmp_path, max_running=1)
    try:
        code = "import time; time.sleep(0.4)"
        results = await asyncio.gather(*(bench.run(code, max_execution_time=1000) for _ in range(4)))
        assert [result.status for result in results] == [Status.SUCCEEDED] * 4
    finally:
        await bench.adapter.aclose()


async def test_pools_are_bounded(start_bench, tmp_path):
    """A burst makes a pool grow up to its ceiling and not beyond, and idle memory bounds all pools together."""
    bench = await start_bench(tmp_path / "a", max_ready=3, max_running=8)
    tight = await start_bench(tmp_path / "b", max_ready=8, idle_memory_mb=0)
    try:
        for each, most in ((bench, 3), (tight, 0)):
            for _ in range(3):
                results = await asyncio.gather(*(each.run("1 + 1") for _ in range(16)))
                assert [result.reason for result in results] == [""] * 16
                assert all(pool.size <= most for pool in each.adapter._engine.warmth.pools)
        pool = max(bench.adapter._engine.warmth.pools, key=lambda pool: pool.statistics.missed)
        assert pool.target == 3
    finally:
        await bench.adapter.aclose()
        await tight.adapter.aclose()


async def test_a_pool_that_is_not_used_shrinks(warm):
    """What was not used since the last look is let go, down to nothing once nobody has asked for long."""
    await _full(warm)
    pool = _pool(warm)
    assert pool.size
    for _ in range(4):
        pool.adapt(idle_s=3600)
    assert pool.target <= 1
    pool.adapt(idle_s=-1)
    assert (pool.target, pool.size) == (0, 0)
    assert (await warm.run(TWO)).value == 2


async def test_closing_leaves_no_process(start_bench, tmp_path):
    """After aclose no process, control group or descriptor of the nurseries is left."""
    before = len(os.listdir("/proc/self/fd"))
    bench = await start_bench(tmp_path)
    await bench.run("1")
    for home in bench.adapter._engine.warmth.homes:
        await home.get()
    await asyncio.gather(*(bench.run("1 + 1") for _ in range(12)))
    pids = [pid for spare in _pool(bench).ready for pid in spare.pids() if pid] + [_nursery(bench).pid]
    await bench.adapter.aclose()
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists() and "Z" not in _state(pid)]
    assert len(os.listdir("/proc/self/fd")) <= before


def _state(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return "Z"


async def test_every_program_runs_once(start_bench, tmp_path):
    """Whether its sandbox was ready or is made for it while many wait: one run each, and each keeps its exit code."""
    bench = await start_bench(tmp_path, max_ready=2, max_running=16)
    try:
        await bench.run("1")
        for home in bench.adapter._engine.warmth.homes:
            await home.get()
        bench.events.clear()
        runs = [bench.run(f"import os\nos.write(1, b'<{n}>')\nos._exit({n % 200})") for n in range(300)]
        results = await asyncio.gather(*runs)
    finally:
        await bench.adapter.aclose()
    assert [result.exit_code for result in results] == [n % 200 for n in range(300)]
    assert [result.stdout for result in results] == [f"<{n}>" for n in range(300)]
    said = "".join(event.text for event in bench.events)
    assert sorted(said.replace("<", "").split(">")[:-1], key=int) == [str(n) for n in range(300)]


@pytest.mark.parametrize("file_system_access", ["none", "sandboxed"])
async def test_a_program_that_does_not_take_its_inputs_is_stopped_in_time(warm, file_system_access):
    """Inputs that are too large for any buffer, sent to a process that reads nothing, hold nobody up."""
    limits = {"file_system_access": file_system_access, "max_execution_time": 500}
    await warm.run("1", **limits)
    pool = max(warm.adapter._engine.warmth.pools, key=lambda pool: pool.used_at)
    while not pool.size or not all(min(spare.pids()) for spare in pool.ready):
        await asyncio.sleep(0.005)
    for spare in pool.ready:
        while not spare.is_ready():
            await asyncio.sleep(0.005)
        os.kill(spare.pids()[1], signal.SIGSTOP)
    async with asyncio.timeout(20):
        result = await warm.run("len(text)", inputs={"text": "x" * (8 << 20)}, **limits)
    assert result.status is Status.TIMED_OUT


async def test_endless_ways_to_tighten_a_policy_make_no_endless_pools(warm):
    """Past a number of pools programs still run, each in a sandbox that is forked for it."""
    for most in range(70):
        assert (await warm.run("1 + 1", max_output_bytes=100_000, max_processes=most + 2)).value == 2
    assert len(warm.adapter._engine.warmth.pools) <= 64
