"""The adapter: values both ways, every end, limits, cancelling."""

import asyncio
import datetime as dt
import os
import signal
import sys
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.monty.adapter import MontyAdapter
from host.errors import AdapterError
from host.interface import discard
from host.models import ExecutionRequest, File, Status
from host.policy import ENFORCED_FIELDS, Enforcement, Policy
from host.values import Opaque, decode, encode

POLICY = Policy(name="tests", allowed_imports=None)


async def run(adapter, code, policy=POLICY, emit=discard, **inputs):
    """Run it, where the adapter accepts it."""
    request = ExecutionRequest(code=code, inputs=inputs)
    refusal = adapter.accepts(request, policy)
    assert refusal is None, refusal
    return await adapter.execute(request, policy, emit)


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("1 + 1", 2),
        ("result = 3\n4", 3),
        ("if False:\n    result = 3\n4", 4),
        ("x = 1", None),
        ("def f():\n    result = 1\nf()\n7", 7),
        ("print('a'); 'b'  # comment", "b"),
        ("[\n    1,\n    2,\n]", [1, 2]),
        ("1,", (1,)),
        ("(y := 5)", 5),
        ("'é', '😀'", ("é", "😀")),
        ("x = 'é'; x", "é"),
        ("list(range(3))", [0, 1, 2]),
        ("2 ** 100, -(2 ** 5000)", (2**100, -(2**5000))),
        ("{1: {'a': (1, None)}}", {1: {"a": (1, None)}}),
        ("from collections import Counter\nCounter('aab')", {"a": 2, "b": 1}),
        ("from collections import deque\ndeque([1])", [1]),
        ("{3, 1}", {1, 3}),
        ("from decimal import Decimal\nDecimal('1.10')", Decimal("1.10")),
        (
            "from datetime import date, timedelta\ndate(2026, 1, 2), timedelta(1)",
            (dt.date(2026, 1, 2), dt.timedelta(1)),
        ),
        ("b'x'", b"x"),
        ("float('inf')", float("inf")),
        ("def f(): pass\n[1, f]", [1, Opaque]),
        ("lambda: 1", Opaque),
        ("import math\nmath", Opaque),
    ],
)
async def test_value(adapter, code, value) -> None:
    """``result`` where it is assigned, else the last expression; each type comes back as itself."""
    result = await run(adapter, code)
    assert result.status is Status.SUCCEEDED, result.reason
    if value is Opaque:
        assert isinstance(result.value, Opaque)
    elif isinstance(value, list) and value[-1:] == [Opaque]:
        assert result.value[0] == 1
        assert isinstance(result.value[1], Opaque)
        assert result.value[1].class_name == "function"
    else:
        assert result.value == value


async def test_a_value_that_contains_itself_fails(adapter) -> None:
    """Such a value cannot be returned, and the program is told so."""
    result = await run(adapter, "x = []\nx.append(x)\nx")
    assert result.status is Status.FAILED
    assert "100 levels" in result.reason


async def test_inputs(adapter) -> None:
    """Inputs are a mapping and plain names of the same values; a key that is no identifier is only in the mapping."""
    inputs = {
        "price": Decimal("1.10"),
        "not a name": 1,
        "class": 2,
        "__import__": 3,
        "result": 4,
        "when": dt.date(2026, 1, 2),
    }
    code = "price, inputs['not a name'], inputs['class'], inputs['__import__'], inputs['result'], when, len(inputs)"
    result = await run(adapter, code, **inputs)
    assert result.value == (Decimal("1.10"), 1, 2, 3, 4, dt.date(2026, 1, 2), 6)


async def test_a_tuple_arrives_as_a_list(adapter) -> None:
    """Inputs have their wire form, whatever the adapter."""
    assert (await run(adapter, "isinstance(t, list)", t=(1, 2))).value is True


@pytest.mark.parametrize(
    "value",
    [
        Fraction(1, 3),
        {1, 2},
        float("nan"),
        "\ud800",
        10**3000,
        {1.5: 1},
        [[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]],
    ],
)
async def test_inputs_that_monty_cannot_hold_are_declined(adapter, value) -> None:
    """The refusal comes before anything runs."""
    refusal = adapter.accepts(ExecutionRequest(code="1", inputs={"x": value}), POLICY)
    assert refusal is not None
    assert "input" in refusal.reason


async def test_files_are_declined(adapter) -> None:
    """It has no files."""
    request = ExecutionRequest(code="1", files=(File(path="a", content=b""),))
    assert adapter.accepts(request, POLICY) is not None


async def test_failure_points_at_the_callers_line(adapter) -> None:
    """The traceback has the caller's lines and file name, on stderr; the reason has type, message and line."""
    result = await run(adapter, "def f(x):\n    return 1 / x\n\nprint('before')\nf(0)")
    assert result.status is Status.FAILED
    assert result.exit_code == 1
    assert result.reason == "ZeroDivisionError: division by zero (line 2)"
    assert result.stdout == "before\n"
    assert 'File "program.py", line 5, in <module>\n    f(0)' in result.stderr
    assert 'File "program.py", line 2, in f\n    return 1 / x' in result.stderr
    assert "understudy" not in result.stderr


async def test_recursion_without_end_fails(adapter) -> None:
    """It is the program's own failure."""
    result = await run(adapter, "def f(n):\n    return f(n + 1)\nf(0)")
    assert result.status is Status.FAILED
    assert "RecursionError" in result.reason


@pytest.mark.parametrize("field", ["max_execution_time", "max_cpu_time"])
async def test_time(adapter, field) -> None:
    """A program that does not end is stopped, and what it printed is kept."""
    result = await run(adapter, "print('so far')\nwhile True: pass", POLICY.model_copy(update={field: 200}))
    assert result.status is Status.TIMED_OUT
    assert "200 ms" in result.reason
    assert result.stdout == "so far\n"


async def test_a_forged_timeout_is_a_failure(adapter) -> None:
    """The status is the host's to set: the same words from the program's own error do not count."""
    result = await run(adapter, "raise RuntimeError('feed time limit exceeded: 5s > 5s')")
    assert result.status is Status.FAILED


@pytest.mark.parametrize(
    "code",
    ["x = []\nwhile True: x.append('a' * 10000)", "'a' * 10 ** 12", "9 ** 9 ** 9", "x = [0]\nwhile True: x = x + x"],
)
async def test_memory(adapter, code) -> None:
    """Taking more than the policy gives ends the run with its own status."""
    result = await run(adapter, "print('so far')\n" + code, POLICY.model_copy(update={"max_memory_mb": 32}))
    assert result.status is Status.OUT_OF_MEMORY
    assert "32 MiB" in result.reason


async def test_output(adapter) -> None:
    """Past the limit the program is stopped and what came before is kept."""
    policy = POLICY.model_copy(update={"max_output_bytes": 1000})
    result = await run(adapter, "while True: print('é' * 10)", policy)
    assert result.status is Status.OUTPUT_LIMIT
    assert result.truncated
    assert 980 <= len(result.stdout.encode()) <= 1000


async def test_a_value_counts_as_output(adapter) -> None:
    """A value that is too long is not returned."""
    result = await run(adapter, "'a' * 2000", POLICY.model_copy(update={"max_output_bytes": 1000}))
    assert result.status is Status.OUTPUT_LIMIT
    assert result.value is None


async def test_nothing_is_left_in_a_session(adapter) -> None:
    """A run sees nothing of the one before."""
    await run(adapter, "secret = 42")
    result = await run(adapter, "secret")
    assert result.status is Status.FAILED
    assert "NameError" in result.reason


async def test_cancelling_kills_the_worker(adapter) -> None:
    """When CancelledError comes back the worker is dead."""
    started = asyncio.Event()
    task = asyncio.create_task(run(adapter, "print('ready')\nwhile True: pass", emit=lambda event: started.set()))
    await started.wait()
    (pid,) = [each.pid for each in adapter._runs]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert (await run(adapter, "1")).value == 1


async def test_a_killed_worker(adapter) -> None:
    """A worker that a signal ends is told by its signal, and the next run has another."""
    started = asyncio.Event()
    task = asyncio.create_task(run(adapter, "print('ready')\nwhile True: pass", emit=lambda event: started.set()))
    await started.wait()
    for each in adapter._runs:
        os.kill(each.pid, signal.SIGKILL)
    result = await task
    assert result.status is Status.KILLED
    assert result.signal == "SIGKILL"
    assert (await run(adapter, "1")).value == 1


async def test_the_loop_stays_free(adapter) -> None:
    """While a program runs, other work on the event loop goes on."""
    task = asyncio.create_task(run(adapter, "while True: pass", POLICY.model_copy(update={"max_execution_time": 300})))
    turns = 0
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    assert (await task).status is Status.TIMED_OUT
    assert turns > 10


async def test_a_process_that_used_it_ends_in_peace() -> None:
    """Many runs, then the end of the interpreter: the exit code is 0 (the library's asynchronous pool crashes here)."""
    program = """
import asyncio
from pathlib import Path
from adapters.monty.adapter import MontyAdapter
from host.interface import AdapterContext, discard
from host.models import ExecutionRequest
from host.policy import Policy

async def main():
    adapter = MontyAdapter()
    await adapter.start(AdapterContext(settings={}, state_dir=Path(), owner="test"))
    for _ in range(100):
        await adapter.execute(ExecutionRequest(code="print(1)"), Policy(name="p"), discard)
    await adapter.aclose()

asyncio.run(main())
"""
    for _ in range(3):
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
        assert await process.wait() == 0


async def test_more_runs_than_workers(adapter) -> None:
    """Runs wait for a free worker, and one that is cancelled while it waits never starts."""
    endless = [asyncio.create_task(run(adapter, "print('ready')\nwhile True: pass")) for _ in range(4)]
    while len([each for each in adapter._runs if each.pid]) < 4:
        await asyncio.sleep(0)
    waiting = asyncio.create_task(run(adapter, "1"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    for task in endless:
        task.cancel()
    await asyncio.wait(endless)
    assert not adapter._runs
    results = await asyncio.gather(*(run(adapter, f"{n}") for n in range(20)))
    assert [result.value for result in results] == list(range(20))


async def test_usage(adapter) -> None:
    """Usage is what was measured."""
    usage = (await run(adapter, "max(range(200000))")).usage
    assert usage.wall_ms > 0
    assert usage.output_bytes > 0
    if os.path.exists("/proc/self/schedstat"):
        assert usage.cpu_ms > 0
        assert usage.peak_memory_bytes > 1 << 20


async def test_capabilities_and_check(adapter) -> None:
    """The interpreter holds every field from outside the program; a check runs one."""
    claims = adapter.capabilities()
    assert all(claims.level(name, "python") is Enforcement.WALL for name in ENFORCED_FIELDS)
    assert not claims.shortfalls(Policy(name="all", enforcement=dict.fromkeys(ENFORCED_FIELDS, "wall")), "python")
    assert (await adapter.check()).ok


async def test_it_runs_nothing_that_it_declines(adapter) -> None:
    """Asked past ``accepts``, it refuses and says that nothing started."""
    with pytest.raises(AdapterError) as caught:
        await adapter.execute(ExecutionRequest(code="import os"), POLICY, discard)
    assert not caught.value.may_have_started


async def test_a_worker_that_does_not_start_is_said(tmp_path, monkeypatch) -> None:
    """Without its program the adapter does not start, and names the remedy."""
    from host.interface import AdapterContext

    monkeypatch.setenv("MONTY_BIN", str(tmp_path / "nothing"))
    with pytest.raises(AdapterError) as caught:
        await MontyAdapter().start(AdapterContext(settings={}, state_dir=tmp_path, owner="test"))
    assert "pip install" in caught.value.remedy


_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cn", "Nd")))
    | st.binary()
    | st.decimals(allow_nan=False, allow_infinity=False, places=4)
    | st.dates()
    | st.times()
    | st.datetimes()
    | st.timedeltas()
)
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc$", max_size=3), inner, max_size=4),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=_values)
def test_round_trip(both_loops, value) -> None:
    """Every value that monty takes comes back as the wire form would have it."""
    result = both_loops(run, "x", x=value)
    assert result.status is Status.SUCCEEDED, result.reason
    assert encode(result.value) == encode(decode(encode(value)))


@pytest.fixture
def both_loops(tmp_path):
    """An adapter in a loop of its own, for property tests, which are not asynchronous."""
    from host.interface import AdapterContext

    with asyncio.Runner() as runner:
        made = MontyAdapter()
        runner.run(made.start(AdapterContext(settings={}, state_dir=tmp_path, owner="test")))
        yield lambda function, *args, **kwargs: runner.run(function(made, *args, **kwargs))
        runner.run(made.aclose())
