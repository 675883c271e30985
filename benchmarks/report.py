"""What a benchmark found: figures, bounds, and the machine that it ran on; as text and as JSON."""

import json
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.machine import facts

__all__ = ["Report", "interleaved"]

_RESULTS = Path(__file__).parent / "results"


class Report:
    """The findings of one benchmark.

    Attributes:
        ok: no figure misses its bound.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.ok = True
        self.data: dict[str, Any] = {}
        self._lines: list[str] = []

    def timings(self, samples: dict[str, list[float]]) -> None:
        """Take seconds by name."""
        width = max(map(len, samples))
        self._lines.append(f"{'':{width}}   median ms    p95 ms    min ms")
        for name, seconds in samples.items():
            ms = sorted(second * 1000 for second in seconds)
            figures = {"median": statistics.median(ms), "p95": ms[int(len(ms) * 0.95)], "min": ms[0], "rounds": len(ms)}
            self.data.setdefault("ms", {})[name] = {key: round(value, 3) for key, value in figures.items()}
            self._lines.append(f"{name:{width}} {figures['median']:11.2f} {figures['p95']:9.2f} {figures['min']:9.2f}")

    def median_ms(self, name: str) -> float:
        """The median of one timing."""
        return float(self.data["ms"][name]["median"])

    def bound(self, name: str, value: float, most: float, unit: str) -> None:
        """Hold a figure to the most that it may be."""
        held = value <= most
        self.ok = self.ok and held
        self.data.setdefault("bounds", {})[name] = {"value": round(value, 3), "most": most, "unit": unit, "held": held}
        self.note(f"{name}: {value:.2f} {unit}, at most {most:g}: {'held' if held else 'MISSED'}")

    def least(self, name: str, value: float, least: float, unit: str) -> None:
        """Hold a figure to the least that it must be."""
        held = value >= least
        self.ok = self.ok and held
        self.data.setdefault("bounds", {})[name] = {"value": value, "least": least, "unit": unit, "held": held}
        self.note(f"{name}: {value:g} {unit}, at least {least:g}: {'held' if held else 'MISSED'}")

    def note(self, line: str) -> None:
        """One more line for people."""
        self._lines.append(line)

    def text(self) -> str:
        """All of it, for people."""
        return "\n".join([f"== {self.name}", *self._lines])

    def save(self) -> Path:
        """Write it as JSON, with the machine's facts, and return where."""
        _RESULTS.mkdir(exist_ok=True)
        now = datetime.now(UTC)
        path = _RESULTS / f"{self.name}-{now:%Y%m%dT%H%M%SZ}.json"
        whole = {"benchmark": self.name, "at": now.isoformat(), "machine": facts(), "ok": self.ok, **self.data}
        path.write_text(json.dumps(whole, indent=2) + "\n")
        return path


async def interleaved(
    variants: Mapping[str, Callable[[], Awaitable[Any]]], rounds: int, warm_up: int = 3
) -> dict[str, list[float]]:
    """Time each variant ``rounds`` times in turn, so that what else the machine does falls on all of them alike."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds + warm_up):
        for name, variant in variants.items():
            begun = time.perf_counter()
            await variant()
            if number >= warm_up:
                seconds[name].append(time.perf_counter() - begun)
    return seconds
