"""How much a run may still put out."""

from collections.abc import Callable

__all__ = ["REPORT_ALLOWANCE", "Budget"]

REPORT_ALLOWANCE = 16_384
"""Bytes on the report channel that do not count: frames' own heads, and the error that says why there is no value."""


class Budget:
    """How much may still come out. ``spent`` is called once, when it is used up."""

    def __init__(self, max_bytes: int, spent: Callable[[], None]) -> None:
        self.left = max_bytes
        self.exceeded = False
        self._spent = spent

    def take(self, wanted: int) -> int:
        """How many of ``wanted`` bytes are let through."""
        given = min(wanted, self.left)
        self.left -= given
        if given < wanted and not self.exceeded:
            self.exceeded = True
            self._spent()
        return given
