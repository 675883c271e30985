"""How many programs run at one time, and how many may wait for their turn."""

import asyncio
import os

__all__ = ["Slots", "usual_slots"]

_SLOTS_PER_CORE = 4
_FEWEST = 8


class Slots:
    """Turns, taken in the order in which they were asked for. Use as an async context.

    A machine that runs more programs than it has processors finishes none of them sooner, and lets all of them miss
    their deadlines; so the rest waits, and its time does not run yet.

    Args:
        running: how many have a turn at one time.
        waiting: how many may wait; then ``full`` is true.
    """

    def __init__(self, running: int, waiting: int) -> None:
        self._turns = asyncio.Semaphore(running)
        self._most = waiting
        self.running = 0
        self.waiting = 0

    @property
    def full(self) -> bool:
        """Whether nobody more should come."""
        return self.waiting >= self._most

    async def __aenter__(self) -> None:
        if self._turns.locked():
            self.waiting += 1
            try:
                await self._turns.acquire()
            finally:
                self.waiting -= 1
        else:
            await self._turns.acquire()
        self.running += 1

    async def __aexit__(self, *error: object) -> None:
        self.running -= 1
        self._turns.release()


def usual_slots() -> int:
    """As many as this machine's processors can serve while some of the programs wait for something."""
    return max(_FEWEST, _SLOTS_PER_CORE * len(os.sched_getaffinity(0)))
