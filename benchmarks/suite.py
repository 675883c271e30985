"""All measures in one run: one table, one picture, one file of raw figures."""

import argparse
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import aws, idle, latency, machine, page, plot, table, throughput, work
from benchmarks.bench import FULL, QUICK, Bench, prepared
from benchmarks.targets import Target, targets
from host import run

__all__ = ["MEASURES", "main", "measure_all"]

_RESULTS = Path(__file__).parent / "results" / "latest.json"
_PICTURE = page.PAGE.with_name("benchmarks.svg")

MEASURES: Mapping[str, Callable[[Bench], Awaitable[dict[str, Any]]]] = {
    "latency": latency.measure,
    "throughput": throughput.measure,
    "burst": throughput.burst,
    "session": work.session,
    "group_by": work.group_by,
    "deadline": work.deadline,
    "idle": idle.measure,
    "aws": aws.measure,
}


def main(arguments: list[str]) -> int:
    """``python -m benchmarks [--strict] [--quick] ...``; 1 where a bound is missed and that matters."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--strict", action="store_true", help="end with 1 where a figure misses its bound")
    parser.add_argument(
        "--quick", action="store_true", help="tiny counts, to see that everything runs; nothing is kept"
    )
    parser.add_argument("--image", help="a container image that has python3; by default one that the engine has")
    parser.add_argument("--llm-sandbox", type=Path, metavar="PYTHON", help="a Python that has llm-sandbox installed")
    given = parser.parse_args(arguments)
    begun = time.monotonic()
    results = run(_measured(quick=given.quick, image=given.image, llm_sandbox=given.llm_sandbox))
    results["took_s"] = round(time.monotonic() - begun, 1)
    held = targets(results)
    print(table.text(results, held))
    if not given.quick:
        _keep(results, held)
    return int(given.strict and any(target.held is False for target in held))


async def _measured(*, quick: bool, **more: Any) -> dict[str, Any]:
    async with prepared(QUICK if quick else FULL, **more) as bench:
        return await measure_all(bench)


async def measure_all(bench: Bench) -> dict[str, Any]:
    """Every measure, one after the other. One that cannot be taken is left out with its reason."""
    results: dict[str, Any] = {"machine": machine.facts()}
    for name, measure in MEASURES.items():
        try:
            results[name] = await measure(bench)
        except Exception as error:  # noqa: BLE001 - the others still have to be measured, and the table says why
            bench.absent[name] = f"{type(error).__name__}: {error}"
    results["absent"] = bench.absent
    return results


def _keep(results: Mapping[str, Any], held: list[Target]) -> None:
    listed = [
        {"name": each.name, each.relation: each.bound, "figure": each.figure, "unit": each.unit, "held": each.held}
        for each in held
    ]
    _RESULTS.parent.mkdir(exist_ok=True)
    _RESULTS.write_text(json.dumps({**results, "bounds": listed}, indent=2) + "\n")
    _PICTURE.write_text(plot.draw(results), encoding="utf-8")
    page.write("figures", table.markdown(results, held))
    print(f"kept in {_RESULTS}, {_PICTURE} and {page.PAGE}")
