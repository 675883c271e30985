"""What the figures are held to. Bounds are ratios within one run wherever two things can be compared."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.aws import AT_ONCE
from benchmarks.contenders import BARE_DENO, HTTP, JAVASCRIPT, PLAIN, WARM
from benchmarks.engines import EXEC, RUN, WAITING
from benchmarks.work import DEADLINE_MS

__all__ = ["Target", "targets"]

Results = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """One bound and the figure beside it.

    Attributes:
        figure: None where it could not be measured.
        held: whether it keeps its bound; None where it could not be measured.
    """

    name: str
    relation: Literal["at most", "at least"]
    bound: float
    figure: float | None
    unit: str = ""

    @property
    def held(self) -> bool | None:
        """Whether the figure keeps its bound."""
        if self.figure is None:
            return None
        return self.figure <= self.bound if self.relation == "at most" else self.figure >= self.bound


def targets(results: Results) -> list[Target]:
    """Every bound with its figure."""
    return [*_latency(results), *_throughput(results), *_work(results), *_aws(results)]


def _latency(results: Results) -> list[Target]:
    def ratio(name: str, figure: str, beside: str) -> float | None:
        found = results.get("latency", {})
        return _over(_get(found, name, figure), _get(found, beside, "p50"))

    bare = "a bare CPython process"
    return [
        Target(f"1 + 1 warm, Python API: median over {bare}", "at most", 0.25, ratio(WARM, "p50", PLAIN)),
        Target(f"1 + 1 warm, Python API: p99 over {bare}", "at most", 0.8, ratio(WARM, "p99", PLAIN)),
        Target(f"1 + 1 warm, HTTP: median over {bare}", "at most", 0.5, ratio(HTTP, "p50", PLAIN)),
        Target("1 + 1 warm, JavaScript: median over deno run", "at most", 0.5, ratio(JAVASCRIPT, "p50", BARE_DENO)),
        Target(
            "1 + 1 in a container that waits: median over docker exec", "at most", 1 / 15, ratio(WAITING, "p50", EXEC)
        ),
        Target(
            "1 + 1 in a container that waits: median over docker run", "at most", 1 / 50, ratio(WAITING, "p50", RUN)
        ),
    ]


def _throughput(results: Results) -> list[Target]:
    found = results.get("throughput", {})
    failures = found.get("failures")
    burst = results.get("burst", {})
    ideal_ms = _over(burst.get("size", 0) * 1000, _best(found, WARM))
    prototype = found.get("prototype")
    lost = sum(burst["failures"].values()) if burst else None
    return [
        Target(
            "runs a second, Python API: over the bare prototype", "at least", 0.55, _over(_best(found, WARM), prototype)
        ),
        Target("runs a second, HTTP: over the bare prototype", "at least", 0.30, _over(_best(found, HTTP), prototype)),
        Target(
            "runs that failed at any concurrency",
            "at most",
            0,
            sum(sum(failures[name].values()) for name in (WARM, HTTP)) if failures else None,
            "runs",
        ),
        Target("burst of 100: runs that failed", "at most", 0, lost, "runs"),
        Target("burst of 100: p99 over 100 / best runs a second", "at most", 1.5, _over(burst.get("p99_ms"), ideal_ms)),
    ]


def _work(results: Results) -> list[Target]:
    tables = results.get("group_by", {})
    in_all = _get(results.get("session", {}), "ms", "p50")
    ratio = _over(_get(tables, "ours", "p50"), _get(tables, "plain", "p50"))
    over = _get(results.get("deadline", {}), "overshoot_ms", "max")
    return [
        Target("ten commands in a live session, in all: median", "at most", 5.0, in_all, "ms"),
        Target("import pandas and a group-by: median over starting python with pandas", "at most", 0.05, ratio),
        Target(f"longest overshoot of a deadline of {DEADLINE_MS} ms at load", "at most", 100.0, over, "ms"),
    ]


def _aws(results: Results) -> list[Target]:
    found = results.get("aws", {})
    many = found.get("at_once", {})
    return [
        *(
            Target(
                f"1 + 1 on {name}, emulated: the adapter's own time beside its calls, median",
                "at most",
                3.0,
                _get(found.get(name, {}), "adapter", "p50"),
                "ms",
            )
            for name in ("lambda", "bedrock")
        ),
        Target(
            f"{AT_ONCE} runs at once over boto3: how late the loop is, over bare boto3 in {AT_ONCE} threads",
            "at most",
            1.5,
            _over(many.get("ours_late_ms"), many.get("bare_late_ms")),
        ),
    ]


def _best(found: Results, name: str) -> float | None:
    """The most runs a second at any concurrency."""
    return max((found.get("series", {}).get(name) or {}).values(), default=None)


def _get(found: Results, name: str, figure: str) -> float | None:
    value = found.get(name, {}).get(figure)
    return None if value is None else float(value)


def _over(value: float | None, other: float | None) -> float | None:
    return value / other if value is not None and other else None
