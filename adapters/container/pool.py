"""Containers that wait for a program, by recipe. Each is used once, and another is made in its place."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from adapters.container.box import Box
from adapters.container.hardening import Recipe
from host.errors import AdapterError
from host.events import get_logger

__all__ = ["Pool"]

_log = get_logger("understudy.container")
_ONCE = 1
_AT_ONCE = 4
"""Containers that are made at one time. An engine that is asked for more finishes none of them sooner."""
_BREATH_S = 0.005
"""After a run, before the next container is made: who waits for the result comes first."""


class _Shelf:
    """The containers of one recipe that wait, and how many are wanted."""

    def __init__(self, floor: int) -> None:
        self.waiting: deque[Box] = deque()
        self.hoping: deque[asyncio.Future[Box | None]] = deque()
        self.making = 0
        self.asked = 0
        self.floor = floor
        self.wanted = max(1, floor)
        self.last_asked = asyncio.get_running_loop().time()


class Pool:
    """The containers that wait.

    Args:
        make: a container of that recipe, not begun.
        start_timeout_s: how long one may take to be ready.
        max_ready: how many wait in all.
        idle_s: how long one waits for a kind of program that comes no more.
    """

    def __init__(self, make: Callable[[Recipe], Box], start_timeout_s: float, max_ready: int, idle_s: float) -> None:
        self._make = make
        self._start_timeout_s = start_timeout_s
        self._max_ready = max_ready
        self._idle_s = idle_s
        self._shelves: dict[Recipe, _Shelf] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._hands = asyncio.Semaphore(_AT_ONCE)

    @property
    def ready(self) -> int:
        """How many wait."""
        return sum(len(shelf.waiting) for shelf in self._shelves.values())

    @property
    def making(self) -> int:
        """How many are being made."""
        return sum(shelf.making for shelf in self._shelves.values())

    def boxes(self) -> list[Box]:
        """Those that wait."""
        return [box for shelf in self._shelves.values() for box in shelf.waiting]

    def keep(self, recipe: Recipe, count: int) -> None:
        """Have ``count`` of this recipe wait from now on."""
        self._shelf(recipe, count)
        self._fill(recipe)

    async def take(self, recipe: Recipe) -> Box:
        """One that no program has run in: one that waits, or a new one.

        Raises:
            AdapterError: none can be made.
        """
        shelf = self._shelf(recipe, 0)
        shelf.last_asked = asyncio.get_running_loop().time()
        shelf.asked += 1
        while shelf.waiting:
            box = shelf.waiting.popleft()
            if box.waits:
                return box
            await box.remove()
        if shelf.making > len(shelf.hoping) and (made := await self._next_made(shelf)) is not None:
            return made
        if shelf.asked > _ONCE:
            shelf.wanted = min(shelf.wanted + 1, self._max_ready)  # they come faster than one can be made
        return await self._made(recipe)

    @staticmethod
    async def _next_made(shelf: _Shelf) -> Box | None:
        """The next that is ready of those that are being made, or None where that fails."""
        hope: asyncio.Future[Box | None] = asyncio.get_running_loop().create_future()
        shelf.hoping.append(hope)
        try:
            return await hope
        except asyncio.CancelledError:
            if hope.done() and not hope.cancelled() and (box := hope.result()) is not None:
                shelf.waiting.append(box)
            raise
        finally:
            if hope in shelf.hoping:
                shelf.hoping.remove(hope)

    async def _made(self, recipe: Recipe) -> Box:
        box = self._make(recipe)
        async with self._hands:
            await box.begin(self._start_timeout_s)
        return box

    def used(self, recipe: Recipe) -> None:
        """One was taken, and its run is over: make another in its place, for a kind that was asked for before."""
        shelf = self._shelves.get(recipe)
        wanted = shelf is not None and (shelf.asked > _ONCE or shelf.floor > 0)
        if wanted and not self._closed and self._max_ready:
            asyncio.get_running_loop().call_later(_BREATH_S, self._fill, recipe)

    async def shrink(self) -> None:
        """Give back those that nobody has asked for in a while."""
        since = asyncio.get_running_loop().time() - self._idle_s
        for recipe, shelf in list(self._shelves.items()):
            if shelf.last_asked < since:
                shelf.wanted, shelf.asked = max(1, shelf.floor), 0
                if not shelf.floor:
                    del self._shelves[recipe]
                extra = [shelf.waiting.popleft() for _ in range(len(shelf.waiting) - shelf.floor)]
                await self._remove(deque(extra))

    async def clear(self) -> None:
        """Give back all that wait; they may be of an engine that has been started anew."""
        for shelf in self._shelves.values():
            waiting, shelf.waiting = shelf.waiting, deque()
            await self._remove(waiting)

    async def aclose(self) -> None:
        """Make no more, and give back all."""
        self._closed = True
        for hope in (each for shelf in self._shelves.values() for each in shelf.hoping if not each.done()):
            hope.set_result(None)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.clear()
        self._shelves.clear()

    def _shelf(self, recipe: Recipe, floor: int) -> _Shelf:
        shelf = self._shelves.get(recipe)
        if shelf is None:
            shelf = self._shelves[recipe] = _Shelf(floor)
        shelf.floor = max(shelf.floor, floor)
        shelf.wanted = max(shelf.wanted, floor)
        return shelf

    def _fill(self, recipe: Recipe) -> None:
        shelf = self._shelves.get(recipe)
        while (
            shelf is not None
            and not self._closed
            and len(shelf.waiting) + shelf.making < shelf.wanted
            and self._room_for(shelf)
        ):
            shelf.making += 1
            task = asyncio.create_task(self._add(recipe, shelf), name="understudy-container-refill")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _room_for(self, shelf: _Shelf) -> bool:
        """Whether one more may wait; the oldest of other kinds gives way."""
        if self.ready + self.making < self._max_ready:
            return True
        others = [each for each in self._shelves.values() if each is not shelf and each.waiting and not each.floor]
        if not others:
            return False
        oldest = min(others, key=lambda each: each.last_asked)
        box = oldest.waiting.popleft()
        task = asyncio.create_task(box.remove(), name="understudy-container-removal")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _add(self, recipe: Recipe, shelf: _Shelf) -> None:
        box: Box | None = None
        try:
            box = await self._made(recipe)
        except AdapterError as error:
            _log.warning("container_refill_failed", reason=str(error))
        finally:
            shelf.making -= 1
        hope = next((each for each in shelf.hoping if not each.done()), None)
        if hope is not None:
            hope.set_result(box)
        elif box is not None and (self._closed or self._shelves.get(recipe) is not shelf):
            await box.remove()
        elif box is not None:
            shelf.waiting.append(box)

    @staticmethod
    async def _remove(boxes: deque[Box]) -> None:
        with contextlib.suppress(AdapterError):
            await asyncio.gather(*(box.remove() for box in boxes))
