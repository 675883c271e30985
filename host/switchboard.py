"""Which adapters serve now: one immutable, ordered list, replaced as a whole and read once per request."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

__all__ = ["Lane", "Switchboard"]


@dataclass(frozen=True, slots=True)
class Lane:
    """One adapter on the switchboard.

    ``weight`` is its share of the requests that reach it, 1 to 100; the rest go on down the list.
    """

    adapter: str
    weight: int = 100


class Switchboard:
    """Holds the current list. Reading is one attribute access, so a request sees one list from beginning to end."""

    def __init__(self, on_switch: Callable[[tuple[str, ...], tuple[str, ...], str], None]) -> None:
        self._lanes: tuple[Lane, ...] = ()
        self._on_switch = on_switch

    @property
    def lanes(self) -> tuple[Lane, ...]:
        return self._lanes

    @property
    def current(self) -> tuple[str, ...]:
        """The names of the adapters that serve, first choice first."""
        return tuple(lane.adapter for lane in self._lanes)

    def replace(self, adapters: Iterable[str | Lane], reason: str) -> None:
        """Put a new list in the place of the old one and tell the observers, if it is another list.

        Args:
            adapters: names or lanes, first choice first.
            reason: a sentence for people.
        """
        before = self._lanes
        self._lanes = tuple(each if isinstance(each, Lane) else Lane(each) for each in adapters)
        if self._lanes != before:
            self._on_switch(tuple(lane.adapter for lane in before), self.current, reason)
