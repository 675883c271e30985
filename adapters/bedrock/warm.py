"""Sessions that are ready before anybody asks, within a budget: each is used once, and costs while it waits."""

import asyncio
import contextlib
import time
from collections import deque

from adapters.bedrock.sessions import FarSession, Sessions
from adapters.bedrock.settings import BedrockSettings
from host.errors import AdapterError
from host.events import get_logger

__all__ = ["Warm"]

_log = get_logger("understudy.bedrock")


class Warm:
    """The sessions that wait.

    Args:
        sessions: where they come from.
        settings: the budget: how many, and how long.
        keeps_warm: false for a host that will be asked once.
    """

    def __init__(self, sessions: Sessions, settings: BedrockSettings, *, keeps_warm: bool = True) -> None:
        self._sessions = sessions
        self._most = settings.most_warm if keeps_warm else 0
        self._least = min(settings.min_ready, self._most)
        self._idle_s = settings.warm_idle_s
        self._lifetime_s = min(settings.session_timeout_s + settings.warm_idle_s, 28_800)
        self._waiting: deque[FarSession] = deque()
        self._making: set[asyncio.Task[None]] = set()
        self._closed = False
        self.served = self.missed = 0
        self.waited_s = 0.0

    @property
    def ready(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def coming(self) -> int:
        """How many are being made."""
        return len(self._making)

    def take(self, for_s: float) -> FarSession | None:
        """One in which nothing of any caller's has run, and which will live so long; None where none waits.

        Another one is made in its place.
        """
        taken = None
        while self._waiting and taken is None:
            session = self._waiting.pop()  # the youngest: the others may run out of their time, and go
            if session.outlives(for_s):
                taken = session
            else:
                self._let_go(session)
        if taken is not None:
            self._count(taken)
        self.served += taken is not None
        self.missed += taken is None
        self._make(1)
        return taken

    async def give_way(self, within_s: float) -> None:
        """End one that waits, so that there is a place for one that is wanted now."""
        if self._waiting:
            session = self._waiting.popleft()
            self._let_go(session)
            await self._sessions.stop(session, within_s=within_s)

    def keep(self) -> None:
        """Have as many wait as always should."""
        self._make(self._least - self.ready - self.coming)

    def tidy(self) -> None:
        """End those that nobody asked for in their time, and replace those of which some should always wait."""
        now = time.monotonic()
        for session in list(self._waiting):
            idle = now - session.started > self._idle_s
            if (idle and self.ready > self._least) or not session.outlives(0):
                self._waiting.remove(session)
                self._let_go(session)
        self.keep()

    async def settled(self) -> None:
        """Wait until none is being made."""
        while self._making:
            await asyncio.wait(self._making)

    async def aclose(self) -> None:
        """Make no more. Those that wait are ended with all sessions."""
        self._closed = True
        for task in self._making:
            task.cancel()
        await self.settled()

    def _make(self, count: int) -> None:
        for _ in range(min(count, self._most - self.ready - self.coming)):
            if self._closed or self._sessions.full:
                return
            task = asyncio.get_running_loop().create_task(self._made())
            self._making.add(task)
            task.add_done_callback(self._making.discard)

    async def _made(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            try:
                self._waiting.append(await self._sessions.ready(self._lifetime_s, ahead=True))
            except AdapterError as error:
                _log.warning("bedrock_not_warm", reason=error.message)

    def _let_go(self, session: FarSession) -> None:
        self._count(session)
        self._sessions.stop_soon(session)

    def _count(self, session: FarSession) -> None:
        self.waited_s += time.monotonic() - session.started
