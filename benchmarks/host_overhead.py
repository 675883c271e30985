"""What the host adds around an adapter that answers at once: policy, validation, choice, two records, observers.

Compared with a bare python process in the same run, because milliseconds alone say more of the machine than of us.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.hosts import started
from benchmarks.report import Report, interleaved
from host import ExecutionRequest, Host
from host.hookspecs import hookimpl
from host.interface import AdapterContext, Capabilities, CheckResult, Emit, Refusal
from host.models import ExecutionResult, Status, Usage
from host.policy import ENFORCED_FIELDS, Enforcement, Policy
from host.specs import AdapterSpec

__all__ = ["run"]

_BARE = "bare python process"
_ONE = "host.execute, one after the other"
_POWER = "the same, with store.durability = power"
_SESSION = "a command in a session"
_MANY = "host.execute, 20 at once"
_AT_ONCE = 20
_IN_A_ROW = 20
_BOUNDS = {_ONE: 0.06, _SESSION: 0.06, _MANY: 0.03}
"""How much of a bare process each may take at most, in the median."""


class Instant:
    """An adapter that runs nothing and has the answer."""

    name = "instant"

    def __init__(self) -> None:
        levels = dict.fromkeys(ENFORCED_FIELDS, Enforcement.WALL)
        self._claims = Capabilities(
            version="1", languages=("python",), session_languages=("python",), enforcement=levels, files=True
        )

    def capabilities(self) -> Capabilities:
        return self._claims

    async def start(self, context: AdapterContext) -> None:
        """There is nothing to start."""

    async def check(self) -> CheckResult:
        return CheckResult(ok=True, reason="it has the answer.")

    def accepts(self, request: ExecutionRequest, policy: Policy) -> Refusal | None:
        return None

    async def execute(self, request: ExecutionRequest, policy: Policy, emit: Emit) -> ExecutionResult:
        return ExecutionResult(
            id=request.id,
            status=Status.SUCCEEDED,
            value=2,
            language=request.language,
            policy=policy.name,
            may_have_started=True,
            usage=Usage(wall_ms=0.01, cpu_ms=0.01, peak_memory_bytes=1 << 20, output_bytes=1),
        )

    async def open(self, session: str, language: str, policy: Policy) -> None:
        """There is nothing to open."""

    async def run(self, session: str, request: ExecutionRequest, policy: Policy, emit: Emit) -> ExecutionResult:
        return await self.execute(request, policy, emit)

    def alive(self, session: str) -> bool:
        return True

    async def close(self, session: str) -> None:
        """There is nothing to close."""

    async def reap(self, dead_owners: Sequence[str]) -> int:
        return 0

    async def aclose(self) -> None:
        """There is nothing to close."""


class _Plugin:
    @hookimpl
    def adapters(self) -> list[AdapterSpec]:
        return [AdapterSpec(Instant.name, f"{__name__}:Instant", "for measuring the host")]


_SETTINGS: dict[str, Any] = {
    "adapters__prefer": [Instant.name],
    "adapters__sandbox__enabled": False,
    "adapters__monty__enabled": False,
    "sessions__max_commands": 1_000_000,
    "plugins": {Instant.name: _Plugin()},
}


def run(report: Report, rounds: int) -> None:
    """Time the host beside a bare process."""
    asyncio.run(_run(report, rounds))


async def _run(report: Report, rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        async with (
            started(Path(folder, "process"), **_SETTINGS) as host,
            started(Path(folder, "power"), store__durability="power", **_SETTINGS) as careful,
        ):
            session = (await host.open_session("python")).id
            variants = {
                _BARE: _bare,
                _ONE: _in_a_row(host),
                _POWER: _in_a_row(careful),
                _SESSION: _in_a_row(host, session=session),
                _MANY: _at_once(host),
            }
            samples = await interleaved(variants, rounds)
            cpu_ms = await _cpu_ms(_at_once(host), rounds)
    each = {_BARE: 1, _MANY: _AT_ONCE}
    report.timings({name: [second / each.get(name, _IN_A_ROW) for second in found] for name, found in samples.items()})
    report.note(f"{_MANY}: {cpu_ms:.3f} ms of CPU time each")
    for name, most in _BOUNDS.items():
        report.bound(f"{name}, over a bare process", report.median_ms(name) / report.median_ms(_BARE), most, "")


async def _bare() -> None:
    python = os.path.realpath(sys.executable)
    process = await asyncio.create_subprocess_exec(python, "-I", "-S", "-c", "1", stdin=subprocess.DEVNULL)
    await process.wait()


def _in_a_row(host: Host, **fields: Any) -> Callable[[], Awaitable[None]]:
    async def several() -> None:
        for _ in range(_IN_A_ROW):
            await _once(host, **fields)

    return several


def _at_once(host: Host) -> Callable[[], Awaitable[None]]:
    async def many() -> None:
        await asyncio.gather(*(_once(host) for _ in range(_AT_ONCE)))

    return many


async def _once(host: Host, **fields: Any) -> None:
    result = await host.execute(ExecutionRequest(code="1 + 1", **fields))
    if result.adapter != Instant.name:
        raise RuntimeError(f"{result.adapter} answered {result.status}: {result.reason}")


async def _cpu_ms(many: Callable[[], Awaitable[None]], rounds: int) -> float:
    begun = time.process_time()
    for _ in range(rounds):
        await many()
    return (time.process_time() - begun) * 1000 / rounds / _AT_ONCE
