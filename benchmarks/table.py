"""The figures as tables, for a terminal and for a page."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.contenders import COLD, HTTP, PLAIN, WARM
from benchmarks.machine import sentence
from benchmarks.targets import Target
from benchmarks.throughput import PROCESSES, PROTOTYPE

__all__ = ["Grid", "markdown", "text"]

_NOT = "-"
_VERDICTS = {True: "pass", False: "MISSED", None: "not measured"}


class Grid:
    """Rows under a head. The first column is words, the others are figures."""

    def __init__(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.head = head
        self.rows = rows

    def text(self) -> str:
        """Aligned with blanks."""
        widths = [max(map(len, column)) for column in zip(self.head, *self.rows, strict=True)]
        return "\n".join(_aligned(row, widths) for row in (self.head, *self.rows))

    def markdown(self) -> str:
        """As Markdown."""
        rule = ["---", *("---:" for _ in self.head[1:])]
        return "\n".join("| " + " | ".join(row) + " |" for row in (self.head, rule, *self.rows))


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
    return "  ".join(cells).rstrip()


def text(results: Mapping[str, Any], held: Sequence[Target]) -> str:
    """Everything, for a terminal."""
    parts = [sentence(results["machine"])]
    for title, grid in _grids(results, held):
        parts += ["", f"== {title}", grid.text()]
    return "\n".join([*parts, "", *_notes(results)])


def markdown(results: Mapping[str, Any], held: Sequence[Target]) -> str:
    """Everything, for a page."""
    parts = [f"Measured on {sentence(results['machine'])}."]
    for title, grid in _grids(results, held):
        parts += ["", f"### {title}", "", grid.markdown()]
    return "\n".join([*parts, "", *(f"* {note}" for note in _notes(results))])


def _grids(results: Mapping[str, Any], held: Sequence[Target]) -> list[tuple[str, Grid]]:
    return [
        ("One run at a time", _side_by_side(results)),
        ("Runs a second", _rates(results)),
        ("On AWS, emulated", _aws(results)),
        ("Bounds", _bounds(held)),
    ]


def _side_by_side(results: Mapping[str, Any]) -> Grid:
    found: Mapping[str, Any] = results.get("latency", {})
    base = found.get(PLAIN, {}).get("p50")
    rows = []
    for name, figures in sorted(found.items(), key=lambda item: float(item[1]["p50"])):
        times = _NOT if not base else f"{figures['p50'] / base:.2f}"
        rows.append([name, *(f"{figures[key]:.2f}" for key in ("p50", "p95", "p99")), times, str(figures["rounds"])])
    return Grid(["1 + 1", "p50 ms", "p95 ms", "p99 ms", "over bare CPython", "rounds"], rows)


def _rates(results: Mapping[str, Any]) -> Grid:
    found = results.get("throughput", {})
    series: Mapping[str, Mapping[int, float]] = found.get("series", {})
    names = [name for name in (WARM, HTTP, COLD, PROCESSES) if series.get(name)]
    prototype = found.get("prototype")
    counts = sorted({count for name in names for count in series[name]})
    rows = [
        [f"{count} at once", *(f"{series[name][count]:.0f}" if count in series[name] else _NOT for name in names)]
        for count in counts
    ]
    if prototype:
        rows.append(["best, over the prototype", *(f"{max(series[name].values()) / prototype:.2f}" for name in names)])
    return Grid([f"{PROTOTYPE}: {prototype or _NOT}", *names], rows)


def _aws(results: Mapping[str, Any]) -> Grid:
    found = results.get("aws", {})
    rows = []
    for name in ("lambda", "bedrock"):
        if figures := found.get(name):
            medians = (figures[part]["p50"] for part in ("run", "calls", "adapter"))
            cells = (*medians, figures["adapter"]["p99"])
            rows.append([name, *(f"{cell:.2f}" for cell in cells), str(figures["run"]["rounds"])])
    head = ["1 + 1", "run p50 ms", "calls p50 ms", "adapter p50 ms", "adapter p99 ms", "rounds"]
    return Grid(head, rows)


def _bounds(held: Sequence[Target]) -> Grid:
    rows = [
        [
            target.name,
            f"{target.relation} {target.bound:g}{_unit(target)}",
            _NOT if target.figure is None else f"{target.figure:.3g}{_unit(target)}",
            _VERDICTS[target.held],
        ]
        for target in held
    ]
    return Grid(["what", "bound", "figure", "verdict"], rows)


def _unit(target: Target) -> str:
    return f" {target.unit}" if target.unit else ""


def _notes(results: Mapping[str, Any]) -> list[str]:
    notes = []
    if idle := results.get("idle"):
        notes.append(
            f"An idle guest takes {idle['each_mib']} MiB, its share of the pool in it ({idle['guests']} waited)."
        )
    if session := results.get("session"):
        notes.append(f"{session['commands']} commands in a live session: {session['ms']['p50']:.2f} ms in all.")
    if tables := results.get("group_by"):
        ours, plain = tables["ours"]["p50"], tables["plain"]["p50"]
        notes.append(f"import pandas and a group-by: {ours:.1f} ms; starting python with pandas: {plain:.0f} ms.")
    if burst := results.get("burst"):
        notes.append(f"A burst of {burst['size']}: the slowest in a hundred after {burst['p99_ms']} ms.")
    if many := results.get("aws", {}).get("at_once"):
        ours, bare = many["ours_late_ms"], many["bare_late_ms"]
        notes.append(
            f"{many['count']} runs at once on Lambda: the loop was {ours} ms late at most; bare boto3: {bare} ms."
        )
    for counted in (
        *results.get("throughput", {}).get("failures", {}).values(),
        results.get("burst", {}).get("failures", {}),
    ):
        notes += [f"Failed {count} times: {why}" for why, count in counted.items()]
    notes += [f"Not measured: {name} ({why})." for name, why in results.get("absent", {}).items()]
    return notes
