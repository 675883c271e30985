"""How a run ends, and what the host says of it."""

import asyncio
import json
import subprocess
import sys

import pytest

from adapters.sandbox.cgroups import owner_tag
from adapters.sandbox.strays import find_strays
from host.models import Status
from host.testing import missing


async def test_a_value_comes_back_typed(bench):
    """A value keeps its type, and both output streams come back on their own."""
    code = "import sys, decimal\nprint('out')\nprint('err', file=sys.stderr)\nresult = decimal.Decimal('1.10')"
    result = await bench.run(code)
    assert (result.status, str(result.value), result.stdout, result.stderr) == (
        Status.SUCCEEDED,
        "1.10",
        "out\n",
        "err\n",
    )
    assert result.exit_code == 0
    assert result.may_have_started


_DEPTH = """
def depth(level=0):
    try:
        return depth(level + 1)
    except RecursionError:
        return level
found = depth()
"""


@pytest.mark.parametrize("first", ["", "import sys"], ids=["imports nothing", "imports"])
async def test_recursion_is_as_deep_as_in_a_plain_process(bench, first):
    """However a program is started, it gets as many levels as the interpreter gives it alone, neither more nor less."""
    plain = subprocess.run([sys.executable, "-I", "-S", "-c", f"{first}{_DEPTH}print(found)"], stdout=subprocess.PIPE)
    await bench.run(f"{first}\n1")
    for home in bench.adapter._engine.warmth.homes:
        await home.get()  # so that the next one is warm where that is the way
    result = await bench.run(f"{first}{_DEPTH}found")
    assert result.value == int(plain.stdout)


async def test_inputs_arrive_whole(bench):
    """Five megabytes of input go in and come back."""
    text = "x" * 5_000_000
    result = await bench.run("result = len(text)", inputs={"text": text}, max_memory_mb=256)
    assert result.value == 5_000_000, result


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        ("1/0", Status.FAILED, "ZeroDivisionError"),
        ("def", Status.FAILED, "SyntaxError"),
        ("import sys; sys.exit(3)", Status.FAILED, "3"),
        ("import os; os._exit(4)", Status.FAILED, "exit code 4"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", Status.KILLED, "SIGTERM"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", Status.KILLED, "SIGKILL"),
        ("import ctypes; ctypes.string_at(0)", Status.KILLED, "SIGSEGV"),
    ],
)
async def test_the_programs_own_end(bench, code, status, reason):
    """Exceptions and exit codes are failures, signals are kills, and the reason names them."""
    result = await bench.run(code)
    assert result.status is status
    assert reason in result.reason


async def test_wall_clock(bench):
    """A program that sleeps is stopped at its deadline, and what it wrote before is kept."""
    result = await bench.run("import time\nprint('before', flush=True)\ntime.sleep(60)", max_execution_time=500)
    assert (result.status, result.stdout) == (Status.TIMED_OUT, "before\n")
    assert "500" in result.reason


async def test_cpu_time(bench):
    """A program that computes is stopped when its CPU time is used up, long before its deadline."""
    result = await bench.run("while True: pass", max_cpu_time=300)
    assert (result.status, "max_cpu_time" in result.reason) == (Status.TIMED_OUT, True)


async def test_cpu_time_of_all_processes(bench):
    """Two processes use up one CPU time."""
    result = await bench.run("import os\nos.fork()\nwhile True: pass", max_cpu_time=400)
    assert (result.status, "max_cpu_time" in result.reason) == (Status.TIMED_OUT, True)


async def test_cpu_signal_is_no_way_out(bench):
    """Catching SIGXCPU wins nothing."""
    code = "import signal\nsignal.signal(signal.SIGXCPU, lambda *a: None)\nwhile True: pass"
    result = await bench.run(code, max_cpu_time=300)
    assert result.status is Status.TIMED_OUT


@pytest.mark.parametrize(
    "code",
    [
        "x = bytearray(1 << 30)",
        "x = []\nwhile True: x.append(bytearray(1 << 20))",
        "x = []\nwhile True:\n  try: x.append(bytearray(1 << 16))\n  except MemoryError: pass",
        "import os, time\nfor i in range(8):\n  if os.fork() == 0: break\n"
        "x = bytearray(40 << 20)\nx[::4096] = b'x' * len(x[::4096])\ntime.sleep(30)",
    ],
    ids=["at once", "bit by bit", "caught", "together"],
)
async def test_memory(bench, code):
    """Too much memory is out_of_memory, asked for at once, bit by bit, or by several processes together."""
    result = await bench.run(code, max_memory_mb=96, max_execution_time=15_000)
    assert result.status is Status.OUT_OF_MEMORY, result


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_output(bench, stream):
    """A flood is cut at the limit, the program killed, the part before kept."""
    result = await bench.run(f"import sys\nwhile True: sys.{stream}.write('x' * 1000)", max_output_bytes=50_000)
    assert (result.status, result.truncated) == (Status.OUTPUT_LIMIT, True)
    assert len(result.stdout + result.stderr) == 50_000


async def test_output_of_both_streams_counts_together(bench):
    """Stdout and stderr share one limit."""
    code = "import sys\nsys.stdout.write('x' * 600)\nsys.stdout.flush()\nsys.stderr.write('x' * 600)"
    result = await bench.run(code, max_output_bytes=1000)
    assert (result.status, len(result.stdout + result.stderr)) == (Status.OUTPUT_LIMIT, 1000)


async def test_a_value_that_is_too_large(bench):
    """A value over the output limit ends as output_limit."""
    result = await bench.run("result = 'x' * 100_000", max_output_bytes=10_000)
    assert result.status is Status.OUTPUT_LIMIT
    assert result.value is None


async def test_flood_of_the_report_channel(bench):
    """Descriptor 3 is counted like the others."""
    result = await bench.run("import os\nwhile True: os.write(3, b'x' * 65536)", max_output_bytes=10_000)
    assert result.status is Status.OUTPUT_LIMIT


async def test_a_forged_report_is_the_programs_own_failure(bench):
    """Garbage on the report channel fails the run; the host is not harmed."""
    result = await bench.run("import os\nos.write(3, b'garbage')\nos._exit(0)")
    assert result.status is Status.FAILED
    assert "malformed" in result.reason


async def test_characters_are_whole(bench):
    """A character that is written in two halves comes out as one; bytes that are no UTF-8 come out as U+FFFD."""
    code = "import os\nfor b in '€'.encode(): os.write(1, bytes([b]))\nos.write(1, b'\\xff|')"
    result = await bench.run(code)
    assert result.stdout == "€�|"
    assert "".join(event.text for event in bench.events if getattr(event, "stream", "") == "stdout") == "€�|"


async def test_output_is_emitted_as_it_comes(bench):
    """What a program prints is emitted while it still runs."""
    running = asyncio.ensure_future(bench.run("import time\nprint('now', flush=True)\ntime.sleep(60)"))
    async with asyncio.timeout(30):
        while not bench.events:
            await asyncio.sleep(0.01)
    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_processes(bench):
    """At the limit of processes fork fails; the program goes on."""
    code = """
import os, time
n = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(60); os._exit(0)
        n += 1
except OSError as error:
    result = [n, type(error).__name__]
"""
    result = await bench.run(code, max_processes=10)
    assert result.value == [9, "BlockingIOError"], result


async def test_threads_count_as_processes(bench):
    """Threads and processes share one limit."""
    code = """
import threading, time
n = 0
try:
    while True:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start(); n += 1
except RuntimeError as error:
    result = n
"""
    result = await bench.run(code, max_processes=10)
    assert result.value == 9, result


async def test_usage(bench):
    """The host knows what a run used."""
    code = (
        "import time\nx = bytearray(30 << 20)\nx[::4096] = b'x' * len(x[::4096])\n"
        "end = time.process_time() + .3\nwhile time.process_time() < end: pass"
    )
    result = await bench.run(code)
    assert result.usage.wall_ms >= 300
    assert 290 <= result.usage.cpu_ms < 3000
    assert 30 << 20 <= result.usage.peak_memory_bytes < 128 << 20


async def test_cancel(bench):
    """Cancelling the task kills the program before the cancellation comes out."""
    running = asyncio.ensure_future(bench.run("import time\nprint('up', flush=True)\nwhile True: time.sleep(1)"))
    while not bench.events:
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not bench.adapter._engine._runs


async def test_cancel_before_the_program_starts(bench):
    """A run that is cancelled while its wall goes up is gone as well, whichever moment it is cancelled in."""
    for step in range(40):
        running = asyncio.ensure_future(bench.run("import time\ntime.sleep(60)"))
        await asyncio.sleep(step / 2000)
        running.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await running
        assert caught.value.__cause__ is None
        assert not bench.adapter._engine._runs
        assert bench.adapter._engine.keeps_warm or not find_strays(owner_tag(bench.owner))


async def test_many_at_once(bench):
    """Eight runs at one time do not see one another."""
    code = (
        "import os, time\nopen('mine', 'w').write(str(n))\ntime.sleep(.2)\nresult = [open('mine').read(), os.listdir()]"
    )
    results = await asyncio.gather(*(bench.run(code, inputs={"n": n}) for n in range(8)))
    assert [result.value for result in results] == [[str(n), ["mine"]] for n in range(8)]


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("javascript", "result = inputs.n * 2"),
        ("typescript", "const n: number = inputs.n; result = n * 2"),
        ("bash", "result=$((${inputs[n]} * 2))"),
        ("elixir", 'inputs["n"] * 2'),
        ("sql", "select 21 * 2 as n"),
    ],
)
async def test_every_language(bench, language, code):
    """Each language that is found runs behind the same wall."""
    if language not in bench.adapter.capabilities().languages:
        missing(f"{language} is not on this machine")
    result = await bench.run(code, language, inputs={"n": 21}, max_memory_mb=256)
    assert result.status is Status.SUCCEEDED, result
    assert "42" in json.dumps(result.model_dump(mode="json")["value"])
