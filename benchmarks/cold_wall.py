"""What ``host.execute`` without warm guests adds to bubblewrap called by hand: at most 10 ms.

The python that is called by hand imports the same.
"""

import asyncio
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from benchmarks.contenders import wall_by_hand
from benchmarks.hosts import started
from benchmarks.report import Report, interleaved
from host import ExecutionRequest, Host

__all__ = ["run"]

_IMPORTS = "import json, decimal, datetime, ast"
_BOUND_MS = 10.0
_BY_HAND = "bwrap + python, by hand"
_SANDBOX = "host.execute on sandbox"


def run(report: Report, rounds: int) -> None:
    """Time the wall beside its parts."""
    asyncio.run(_run(report, rounds))


async def _run(report: Report, rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        async with started(Path(folder), adapters__sandbox__warm=False) as host:
            variants = _variants(host, report)
            samples = await interleaved(variants, rounds)
    report.timings(samples)
    if _BY_HAND in samples and _SANDBOX in samples:
        added = report.median_ms(_SANDBOX) - report.median_ms(_BY_HAND)
        report.bound("host.execute adds to bubblewrap by hand", added, _BOUND_MS, "ms")


def _variants(host: Host, report: Report) -> dict[str, Callable[[], Awaitable[Any]]]:
    python = os.path.realpath(sys.executable)
    variants: dict[str, Callable[[], Awaitable[Any]]] = {
        "python, no wall": lambda: _program(python, "-I", "-S", "-c", _IMPORTS)
    }
    bubblewrap = shutil.which("bwrap")
    if bubblewrap:
        variants[_BY_HAND] = lambda: _program(bubblewrap, *wall_by_hand(), python, "-I", "-S", "-c", _IMPORTS)
    for adapter in ("sandbox", "monty"):
        check = host.checks.get(adapter)
        if check is None or not check.ok:
            report.note(f"{adapter} is not ready: {check.reason if check else 'it is absent'}")
        else:
            variants[f"host.execute on {adapter}"] = functools.partial(_execute, host, adapter)
    return variants


async def _program(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    _, errors = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {errors.decode()}")


async def _execute(host: Host, adapter: str) -> None:
    result = await host.execute(ExecutionRequest(code="1 + 1", policy="standard", adapter=adapter))
    if result.value != 2:
        raise RuntimeError(f"{adapter} answered {result.status}: {result.reason}")
