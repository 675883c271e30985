"""HumanEval's canonical solutions with their tests, on the wall and on plain CPython, compared case by case.

The corpus is ``HumanEval.jsonl`` or ``HumanEval.jsonl.gz`` in the folder that ``UNDERSTUDY_CORPORA`` names. It is the
work of OpenAI, under the MIT licence, and is not part of this repository.
"""

import asyncio
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.report import Report
from host import ExecutionRequest, build_host, load_settings

__all__ = ["run"]

_AT_ONCE = 2


def run(report: Report, rounds: int) -> None:
    """Run every case once on both; ``rounds`` means nothing here."""
    cases = _cases(Path(os.environ.get("UNDERSTUDY_CORPORA", ".")))
    asyncio.run(_run(report, cases))


def _cases(folder: Path) -> list[dict[str, Any]]:
    """The cases, as the corpus has them.

    Raises:
        SystemExit: the corpus is not there.
    """
    for name, reader in (("HumanEval.jsonl.gz", gzip.open), ("HumanEval.jsonl", open)):
        path = folder / name
        if path.exists():
            with reader(path, "rt", encoding="utf-8") as lines:
                return [json.loads(line) for line in lines if line.strip()]
    raise SystemExit(f"no HumanEval.jsonl(.gz) in {folder}; name its folder in UNDERSTUDY_CORPORA.")


def _program(case: dict[str, Any]) -> str:
    """The solution, its tests, their call, and a value that says that the end was reached."""
    parts = (case["prompt"] + case["canonical_solution"], case["test"], f"check({case['entry_point']})")
    return "\n\n".join(parts) + "\nresult = 'passed'\n"


async def _run(report: Report, cases: list[dict[str, Any]]) -> None:
    gate = asyncio.Semaphore(_AT_ONCE)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        settings = load_settings(environ={}, overrides={"state_dir": folder, "plugins.entry_points": False})
        async with build_host(settings) as host:

            async def one(case: dict[str, Any]) -> dict[str, Any]:
                code = _program(case)
                async with gate:
                    begun = time.perf_counter()
                    result = await host.execute(ExecutionRequest(code=code, policy="standard", adapter="sandbox"))
                    wall_s = time.perf_counter() - begun
                    plain_s, plain_passed, plain_error = await _plain(code)
                return {
                    "task": case["task_id"],
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
