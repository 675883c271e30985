"""HumanEval's canonical solutions with their tests, on the wall and on plain CPython, compared case by case.

``parity`` compares more, and more programs; this keeps how long each case took. The corpus is one of
``benchmarks.corpora``.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks import corpora
from benchmarks.corpora import Case
from benchmarks.hosts import started
from benchmarks.report import Report
from host import ExecutionRequest

__all__ = ["run"]

_AT_ONCE = 2


def run(report: Report, rounds: int) -> None:
    """Run every case once on both; ``rounds`` means nothing here."""
    corpus, folder = corpora.CORPORA[0], corpora.folder()
    cases = corpus.cases(folder)
    if cases is None:
        raise SystemExit(f"no {corpus.place} in {folder}. There, this brings it: {corpus.fetch}")
    asyncio.run(_run(report, cases))


async def _run(report: Report, cases: list[Case]) -> None:
    gate = asyncio.Semaphore(_AT_ONCE)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        async with started(Path(folder)) as host:

            async def one(case: Case) -> dict[str, Any]:
                code = case.code
                async with gate:
                    begun = time.perf_counter()
                    result = await host.execute(ExecutionRequest(code=code, policy="standard", adapter="sandbox"))
                    wall_s = time.perf_counter() - begun
                    plain_s, plain_passed, plain_error = await _plain(code)
                return {
                    "task": case.name,
                    "status": result.status.value,
                    "passed": result.status.value == "succeeded" and result.value == "passed",
                    "reason": result.reason,
                    "plain_passed": plain_passed,
                    "plain_error": plain_error,
                    "wall_ms": round(wall_s * 1000, 2),
                    "plain_ms": round(plain_s * 1000, 2),
                }

            rows = await asyncio.gather(*map(one, cases))
    _summarise(report, rows)


async def _plain(code: str) -> tuple[float, bool, str]:
    """The same program on CPython without a wall: seconds, whether it passed, its last line of stderr."""
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-c", code, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        _, errors = await asyncio.wait_for(process.communicate(), 60)
    except TimeoutError:
        process.kill()
        await process.wait()
        return time.perf_counter() - begun, False, "timed out"
    lines = errors.decode(errors="replace").splitlines()
    return time.perf_counter() - begun, process.returncode == 0, lines[-1] if lines else ""


def _summarise(report: Report, rows: list[dict[str, Any]]) -> None:
    passed = sum(row["passed"] for row in rows)
    differing = [row for row in rows if row["passed"] != row["plain_passed"]]
    statuses = Counter(row["status"] for row in rows)
    report.data.update({"cases": rows, "passed": passed, "of": len(rows), "statuses": dict(statuses)})
    report.note(f"{passed} of {len(rows)} pass on sandbox ({', '.join(f'{n} {s}' for s, n in statuses.items())})")
    report.note(f"{sum(row['plain_passed'] for row in rows)} of {len(rows)} pass on plain CPython")
    for row in rows:
        if not row["passed"] or row in differing:
            report.note(f"  {row['task']}: {row['status']} {row['reason']} | plain: {row['plain_error'] or 'passed'}")
    report.timings(
        {
            name: [row[f"{key}_ms"] / 1000 for row in rows]
            for name, key in (("sandbox", "wall"), ("plain CPython", "plain"))
        }
    )
    report.bound("cases that do not pass", len(rows) - passed, 0, "cases")
    report.bound("cases that differ", len(differing), 0, "cases")
