"""What the guest is told of code that was not read; shape.py says what the facts mean."""

from typing import Any

__all__ = ["UNKNOWN"]

UNKNOWN: dict[str, Any] = {"mode": "", "value": True, "edits": [], "imports": [], "error": None}
