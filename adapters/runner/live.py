"""The live interpreters of one adapter, by the names that the host gives them."""

import asyncio
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from host.errors import SessionLost

__all__ = ["Live", "LiveSessions", "gone"]


def gone(reason: str = "its interpreter has ended") -> SessionLost:
    """The interpreter was gone before the command."""
    return SessionLost(reason, remedy="Open a new session; its variables are gone.")


class Live(Protocol):
    """One interpreter that takes commands."""

    @property
    def alive(self) -> bool:
        """Whether it takes more."""
        ...

    async def aclose(self) -> None:
        """End it, and return once nothing of it is left."""
        ...


_Live = TypeVar("_Live", bound=Live)


class LiveSessions(Generic[_Live]):
    """All that are open.

    Args:
        lost: what a caller is told of one that is not open.
    """

    def __init__(self, lost: Callable[[], SessionLost] = gone) -> None:
        self._lost = lost
        self._open: dict[str, _Live] = {}

    def add(self, session: str, live: _Live) -> None:
        """A new one."""
        self._open[session] = live

    def get(self, session: str) -> _Live:
        """One that is open.

        Raises:
            SessionLost: it is not.
        """
        live = self._open.get(session)
        if live is None:
            raise self._lost()
        return live

    def alive(self, session: str) -> bool:
        """Whether one takes commands."""
        live = self._open.get(session)
        return live is not None and live.alive

    async def close(self, session: str) -> None:
        """End one, if it is open."""
        live = self._open.pop(session, None)
        if live is not None:
            await live.aclose()

    async def aclose(self) -> None:
        """End all; a failure of one keeps none of the others open."""
        ends = await asyncio.gather(*(self.close(session) for session in list(self._open)), return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end
