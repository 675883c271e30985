"""Figures out of samples."""

import math
import statistics
from collections.abc import Sequence

__all__ = ["percentile", "summary"]


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that at least ``share`` (0 to 1) of all samples do not exceed."""
    ordered = sorted(samples)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def summary(seconds: Sequence[float]) -> dict[str, float]:
    """Median, 95th and 99th percentile and extremes in ms, and how many there were."""
    ms = [second * 1000 for second in seconds]
    figures = {
        "p50": statistics.median(ms),
        "p95": percentile(ms, 0.95),
        "p99": percentile(ms, 0.99),
        "min": min(ms),
        "max": max(ms),
    }
    return {**{name: round(value, 3) for name, value in figures.items()}, "rounds": len(ms)}
