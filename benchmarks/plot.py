"""The figures as one picture: latencies on the left, runs a second on the right. Readable on light and dark pages."""

import math
from collections.abc import Iterator, Mapping
from typing import Any
from xml.sax.saxutils import escape

from benchmarks.contenders import COLD, HTTP, WARM
from benchmarks.throughput import PROCESSES, PROTOTYPE

__all__ = ["draw"]

_WIDTH, _TOP, _LABELS, _BARS = 980, 46, 250, 200
_ROW, _NAME, _LEFT_END = 24, 15, 500
_PLOT_LEFT, _PLOT_RIGHT, _PLOT_HEIGHT = 560, 800, 260
_LINES = {WARM: "ours", HTTP: "http", COLD: "cold", PROCESSES: "bare"}
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328 } .faint { fill: #656d76 } .title { font-weight: 600 }
.grid { stroke: #d0d7de } line.proto { stroke: #656d76; stroke-dasharray: 5 4 } path { fill: none; stroke-width: 2.2 }
rect.ours, circle.ours, text.ours { fill: #0a7d4f } path.ours { stroke: #0a7d4f }
circle.http, text.http { fill: #0969da } path.http { stroke: #0969da }
circle.cold, text.cold { fill: #bc4c00 } path.cold { stroke: #bc4c00 }
rect.other, circle.bare, text.bare { fill: #8c959f } path.bare { stroke: #8c959f }
.tail { stroke: #656d76; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .faint { fill: #8d96a0 } .grid { stroke: #30363d } .tail, line.proto { stroke: #8d96a0 }
  rect.ours, circle.ours, text.ours { fill: #3fb950 } path.ours { stroke: #3fb950 }
  circle.http, text.http { fill: #58a6ff } path.http { stroke: #58a6ff }
  circle.cold, text.cold { fill: #f0883e } path.cold { stroke: #f0883e }
  rect.other, circle.bare, text.bare { fill: #6e7681 } path.bare { stroke: #6e7681 }
}
"""


def draw(results: Mapping[str, Any]) -> str:
    """The picture as SVG."""
    latency = dict(sorted(results.get("latency", {}).items(), key=lambda item: float(item[1]["p50"])))
    height = max(_TOP + _ROW * len(latency), _TOP + _PLOT_HEIGHT) + 50
    parts = [*_latencies(latency), *_rates(results.get("throughput", {}))]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">'
    about = "<title>How long one run takes, and how many runs a second there are</title>"
    return "\n".join([head, about, f"<style>{_STYLE}</style>", *parts, "</svg>"]) + "\n"


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def _latencies(latency: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """A bar for each median, with a tail to the 99th percentile, on a logarithmic scale."""
    yield _text(0, 18, "One run of 1 + 1, in ms: bar to the median, line to p99 (logarithmic)", "title")
    if not latency:
        return
    least = min(figures["p50"] for figures in latency.values()) / 2
    most = max(figures["p99"] for figures in latency.values())

    def place(value: float) -> float:
        return _LABELS + _BARS * math.log(max(value, least) / least) / math.log(most / least)

    for number, (name, figures) in enumerate(latency.items()):
        y = _TOP + _ROW * number
        kind = "ours" if name.startswith("ours") else "other"
        middle, end = place(figures["p50"]), place(figures["p99"])
        yield _text(_LABELS - 8, y + 12, name, anchor="end")
        yield f'<rect x="{_LABELS}" y="{y}" width="{middle - _LABELS:.1f}" height="15" rx="2" class="{kind}"/>'
        yield _line(middle, y + 7.5, end, y + 7.5, "tail")
        yield _text(end + 6, y + 12, f"{figures['p50']:.3g}", "faint")


def _rates(found: Mapping[str, Any]) -> Iterator[str]:
    """A line for each way, runs a second against how many are under way."""
    series = {name: points for name, points in found.get("series", {}).items() if points}
    yield _text(_LEFT_END + 30, 18, "Runs a second, by how many are under way at once", "title")
    if not series:
        return
    prototype = found.get("prototype")
    counts = sorted({count for points in series.values() for count in points})
    most = _round_up(max(*(rate for points in series.values() for rate in points.values()), prototype or 0.0))
    widest = math.log2(max(counts)) or 1.0

    def at(count: int, rate: float) -> tuple[float, float]:
        across = _PLOT_LEFT + (_PLOT_RIGHT - _PLOT_LEFT) * math.log2(count) / widest
        return across, _TOP + _PLOT_HEIGHT * (1 - rate / most)

    for quarter in range(5):
        rate = most * quarter / 4
        y = at(1, rate)[1]
        yield _line(_PLOT_LEFT, y, _PLOT_RIGHT, y, "grid")
        yield _text(_PLOT_LEFT - 8, y + 4, f"{rate:.0f}", "faint", "end")
    for count in counts:
        yield _text(at(count, 0)[0], _TOP + _PLOT_HEIGHT + 18, str(count), "faint", "middle")
    if prototype:
        y = at(1, prototype)[1]
        yield _line(_PLOT_LEFT, y, _PLOT_RIGHT, y, "proto")
    yield from _curves(series, prototype, at)


def _curves(series: Mapping[str, Mapping[int, float]], prototype: float | None, at: Any) -> Iterator[str]:
    ends: list[tuple[float, str, str]] = []
    for name, points in series.items():
        kind = _LINES[name]
        placed = [at(count, rate) for count, rate in sorted(points.items())]
        yield f'<path class="{kind}" d="M{" L".join(f"{x:.1f},{y:.1f}" for x, y in placed)}"/>'
        yield from (f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="2.8"/>' for x, y in placed)
        ends.append((placed[-1][1], name, kind))
    if prototype:
        ends.append((at(1, prototype)[1], PROTOTYPE, "faint"))
    ends.sort()
    for (_, name, kind), y in zip(ends, _apart([y for y, _, _ in ends]), strict=True):
        yield _text(_PLOT_RIGHT + 10, y + 4, name, kind)


def _apart(places: list[float]) -> list[float]:
    """Heights, in order, moved so that no two names lie on each other and none below the plot."""
    for number in range(1, len(places)):
        places[number] = max(places[number], places[number - 1] + _NAME)
    below = float(_TOP + _PLOT_HEIGHT + _NAME)
    for number in reversed(range(len(places))):
        places[number] = below = min(places[number], below - _NAME)
    return places


def _round_up(value: float) -> float:
    """The next of 1, 2, 2.5, 4, 5 times a power of ten."""
    power = 10 ** math.floor(math.log10(max(value, 1.0)))
    return float(next(step * power for step in (1, 2, 2.5, 4, 5, 10) if step * power >= value))
