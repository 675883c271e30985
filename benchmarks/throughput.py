"""Runs a second against how many are under way at once, beside what the kernel alone would allow."""

import asyncio
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks import bare
from benchmarks.bench import Bench, run_in
from benchmarks.contenders import COLD, HTTP, WARM
from benchmarks.figures import percentile

__all__ = ["PROCESSES", "PROTOTYPE", "burst", "measure"]

PROTOTYPE = "bare prototype"
PROCESSES = "CPython, bare processes"
_FORKERS = 2
_BURST = 100


async def measure(bench: Bench) -> dict[str, Any]:
    """Runs a second, and how many failed.

    The prototype runs before every step, so that its median saw the same ups and downs of the machine.
    """
    why = bare.missing()
    if why:
        bench.absent[PROTOTYPE] = why
    rates: dict[str, dict[int, list[float]]] = {name: {} for name in (WARM, HTTP, COLD, PROCESSES)}
    beside: list[float] = []
    failures: dict[str, Counter[str]] = {name: Counter() for name in (WARM, HTTP, COLD)}
    for window in range(bench.effort.windows):
        for count in bench.effort.concurrency:
            if not why:
                beside.append(await bare.rate(bench.effort.window_s, _FORKERS))
            await _step(bench, count, rates, failures, with_cold=window == 0)
    series = {
        name: {count: round(statistics.median(taken), 1) for count, taken in by_count.items()}
        for name, by_count in rates.items()
    }
    prototype = [round(rate, 1) for rate in beside]
    return {
        "series": series,
        "prototype": round(statistics.median(prototype), 1) if prototype else None,
        "prototype_windows": prototype,
        "failures": {name: dict(counted) for name, counted in failures.items()},
    }


async def _step(
    bench: Bench,
    count: int,
    rates: dict[str, dict[int, list[float]]],
    failures: dict[str, Counter[str]],
    *,
    with_cold: bool,
) -> None:
    """Measure everything once with ``count`` runs under way."""

    def keep(name: str, rate: float, failed: Counter[str]) -> None:
        rates[name].setdefault(count, []).append(rate)
        failures.get(name, Counter()).update(failed)

    seconds = bench.effort.window_s
    keep(WARM, *await _rate(lambda: run_in(bench.warm), count, seconds))
    load = await bench.service.load(count, seconds)
    keep(HTTP, load.rate, Counter(load.failures))
    if with_cold:
        keep(COLD, *await _rate(lambda: run_in(bench.cold), count, seconds))
        keep(PROCESSES, *await _rate(_process, count, seconds))


async def _rate(once: Callable[[], Awaitable[Any]], count: int, seconds: float) -> tuple[float, Counter[str]]:
    """Runs a second with ``count`` workers that never pause, and why some failed.

    None begins a run when the time is over; those under way then are counted, with the time that they still take.
    """
    begun = time.perf_counter()
    until = begun + seconds
    ended = 0
    failed = Counter[str]()

    async def worker() -> None:
        nonlocal ended
        while time.perf_counter() < until:
            try:
                await once()
            except Exception as error:  # noqa: BLE001 - counted: what is measured here is also that none fails
                failed[str(error)] += 1
            else:
                ended += 1

    await asyncio.gather(*(worker() for _ in range(count)))
    return ended / (time.perf_counter() - begun), failed


async def _process() -> None:
    """A bare process, started so that many can be under way."""
    nothing = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    python = os.path.realpath(sys.executable)
    child = os.posix_spawn(python, [python, "-I", "-S", "-c", "1"], {}, file_actions=nothing)
    handle = os.pidfd_open(child)
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    loop.add_reader(handle, _settle, ended)
    try:
        await ended
    finally:
        loop.remove_reader(handle)
        os.close(handle)
        os.waitpid(child, 0)


def _settle(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


async def burst(bench: Bench) -> dict[str, Any]:
    """A hundred runs at once, again and again: how long each took from the moment when all were asked for."""
    seconds: list[float] = []
    failed = Counter[str]()
    for _ in range(bench.effort.bursts):
        await asyncio.sleep(bench.effort.settle_s * 100)
        begun = time.perf_counter()

        async def one(begun: float = begun) -> float:
            await run_in(bench.warm)
            return time.perf_counter() - begun

        ended = await asyncio.gather(*(one() for _ in range(_BURST)), return_exceptions=True)
        failed.update(str(each) for each in ended if isinstance(each, BaseException))
        seconds += [each for each in ended if isinstance(each, float)]
    p99 = round(percentile(seconds, 0.99) * 1000, 2) if seconds else None
    return {"size": _BURST, "bursts": bench.effort.bursts, "failures": dict(failed), "p99_ms": p99}
