"""More than one line at a time: a session of ten commands, a group-by with pandas, runs that have to be stopped."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

from benchmarks.bench import POLICY, Bench, run_in
from benchmarks.contenders import process
from benchmarks.figures import summary
from host import ExecutionRequest, Limits

__all__ = ["DEADLINE_MS", "deadline", "group_by", "session"]

_COMMANDS = (
    "total = 0",
    "prices = [3, 4, 5]",
    "total += sum(prices)",
    "names = {'a': 1, 'b': 2}",
    "names['c'] = total",
    "def double(number): return 2 * number",
    "total = double(total)",
    "import math",
    "root = math.sqrt(total)",
    "result = [total, round(root, 3), names]",
)
_ANSWER = [24, 4.899, {"a": 1, "b": 2, "c": 12}]
_GROUP_BY = """
import pandas as pd
table = pd.DataFrame({"item": ["a", "b", "c"] * 200, "price": range(600)})
result = table.groupby("item")["price"].sum()
"""
_GROUPED = [59700, 59900, 60100]
DEADLINE_MS = 300


async def session(bench: Bench) -> dict[str, Any]:
    """Ten commands in a live session, in all."""
    taken = []
    for _ in range(bench.effort.repeats + 1):
        opened = await bench.warm.open_session("python", policy=POLICY, adapter="sandbox")
        begun = time.perf_counter()
        for code in _COMMANDS:
            answer = await run_in(bench.warm, code, session=opened.id)
        taken.append(time.perf_counter() - begun)
        await bench.warm.end_session(opened.id)
        if answer.value != _ANSWER:
            raise RuntimeError(f"the session answered {answer.value!r}")
    return {"commands": len(_COMMANDS), "ms": summary(taken[1:])}


async def group_by(bench: Bench) -> dict[str, Any]:
    """``import pandas`` and a group-by under the policy ``data``, beside starting python and importing pandas."""
    if "pandas" in bench.absent:
        return {}
    from adapters.guest.environments import Environments

    site = Environments(bench.warm.settings.state_dir).get("data").site
    bare = ("-I", "-S", "-c", f"import sys; sys.path.append({str(site)!r}); import pandas")
    ours, plain = [], []
    for number in range(bench.effort.repeats + 1):
        await asyncio.sleep(bench.effort.settle_s)
        begun = time.perf_counter()
        answer = await run_in(bench.warm, _GROUP_BY, policy="data")
        between = time.perf_counter()
        if _cells(answer.value) != _GROUPED:
            raise RuntimeError(f"the group-by answered {answer.value!r}")
        ours.append(between - begun)
        if number % 4 == 0:
            await asyncio.sleep(bench.effort.settle_s)
            begun = time.perf_counter()
            await process(os.path.realpath(sys.executable), *bare, OPENBLAS_NUM_THREADS="1")
            plain.append(time.perf_counter() - begun)
    return {"ours": summary(ours[1:]), "plain": summary(plain)}


def _cells(value: Any) -> list[Any]:
    rows = getattr(value, "rows", value)
    return [row[-1] if isinstance(row, list | tuple) else row for row in rows]


async def deadline(bench: Bench) -> dict[str, Any]:
    """How long past its deadline a run comes back while every core is busy twice over.

    Counted from the call to the answer, so whatever came before the program's start and after its end is in it.
    """
    over: list[float] = []
    limits = Limits(max_execution_time=DEADLINE_MS)
    async with _busy(2 * (os.cpu_count() or 1)):
        for _ in range(bench.effort.deadlines):
            request = ExecutionRequest(code="while True: pass", policy=POLICY, adapter="sandbox", limits=limits)
            begun = time.perf_counter()
            result = await bench.warm.execute(request)
            taken = time.perf_counter() - begun
            if result.status != "timed_out":
                raise RuntimeError(f"a run without an end {result.status}: {result.reason}")
            over.append(taken - DEADLINE_MS / 1000)
    return {"deadline_ms": DEADLINE_MS, "overshoot_ms": summary(over)}


@contextlib.asynccontextmanager
async def _busy(count: int) -> AsyncIterator[None]:
    """Keep ``count`` processes busy."""
    python = os.path.realpath(sys.executable)
    load = [await asyncio.create_subprocess_exec(python, "-I", "-S", "-c", "while True: pass") for _ in range(count)]
    try:
        yield
    finally:
        for each in load:
            each.kill()
            await each.wait()
