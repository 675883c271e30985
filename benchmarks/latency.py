"""How long one run of ``1 + 1`` takes, one at a time, by each way side by side."""

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any

from benchmarks.bench import Bench
from benchmarks.contenders import Contender, line_up
from benchmarks.figures import summary

__all__ = ["measure"]

_WARM_UP = 2


async def measure(bench: Bench) -> dict[str, Any]:
    """Percentiles in ms by name."""
    async with AsyncExitStack() as stack:
        contenders = await line_up(bench, stack)
        for contender in list(contenders):
            try:
                for _ in range(_WARM_UP):
                    await contender.once()
            except (OSError, RuntimeError) as error:
                bench.absent[contender.name] = str(error)[-200:]
                contenders.remove(contender)
        samples = await _samples(contenders, bench)
    return {name: summary(seconds) for name, seconds in samples.items()}


async def _samples(contenders: list[Contender], bench: Bench) -> dict[str, list[float]]:
    """Seconds by name, taken in turn: what else the machine does falls on all of them alike."""
    seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for number in range(bench.effort.rounds):
        for contender in contenders:
            if number % contender.every:
                continue
            await asyncio.sleep(bench.effort.settle_s)
            begun = time.perf_counter()
            await contender.once()
            seconds[contender.name].append(time.perf_counter() - begun)
    return seconds
