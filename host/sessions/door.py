"""What callers ask of the host about sessions. ``Host`` has these as methods of its own."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from host.errors import InvalidRequest, WidenedLimits
from host.models import Actor, checked_id, new_id
from host.policy import Limits
from host.sessions.info import SessionInfo

if TYPE_CHECKING:
    from host.dispatch import Dispatcher
    from host.sessions.table import Sessions

__all__ = ["SessionDoor"]


class SessionDoor(ABC):
    """Opens, lists, renews and ends sessions. A command is an ``ExecutionRequest`` that names its session."""

    _sessions: "Sessions"
    _dispatcher: "Dispatcher"

    @abstractmethod
    def _admitted(self) -> AbstractContextManager[None]:
        """See ``Host``."""

    async def open_session(
        self,
        language: str,
        policy: str | None = None,
        limits: Limits | None = None,
        idle_ms: int | None = None,
        lifetime_ms: int | None = None,
        id: str | None = None,  # noqa: A002 - what it is called in the record, in HTTP and in ExecutionRequest
        actor: Actor | None = None,
        adapter: str | None = None,
    ) -> SessionInfo:
        """Start an interpreter that keeps its variables and work folder until it is ended or its time is up.

        Args:
            language: what its commands are written in.
            policy: what each command may do, by name; None is the default policy.
            limits: tighten the policy for all commands; each may tighten it further.
            idle_ms: how long it may stand idle, in ms. By default ``sessions.idle_ms``, at most ``max_idle_ms``.
            lifetime_ms: how long it may live in all, in ms. By default ``sessions.lifetime_ms``, at most
                ``max_lifetime_ms``.
            id: an id of the caller's own; each is taken once.
            actor: on whose behalf; its commands have this actor where they name none.
            adapter: only this one; None leaves the choice to the host.

        Raises:
            RequestError: unknown names, more than the settings give, an id that is taken.
            SessionsFull: the host keeps as many as it may.
            NothingCanServe: no adapter that is ready may keep it.
            AdapterError: the interpreter could not be started.
            StoreError: it could not be recorded, so it was not opened.
            HostClosing: the host is shutting down.

        Example::

            session = await host.open_session("python")
            await host.execute(ExecutionRequest(code="x = 6", session=session.id))
            result = await host.execute(ExecutionRequest(code="x * 7", session=session.id))
        """
        with self._admitted():
            try:
                name = new_id() if id is None else checked_id(id)
            except ValueError as error:
                raise InvalidRequest(f"{error}.") from None
            known, named = self._dispatcher.language(language), self._dispatcher.policy(policy)
            limits = limits or Limits()
            if widened := named.widened_by(limits):
                raise WidenedLimits("; ".join(widened) + ".", remedy="Ask for less, or for a policy that gives more.")
            return await self._sessions.open(
                name,
                known,
                named.tighten(limits),
                adapter=adapter,
                idle_ms=idle_ms,
                lifetime_ms=lifetime_ms,
                actor=actor,
            )

    def sessions(self) -> tuple[SessionInfo, ...]:
        """The sessions that live in this host, oldest first."""
        return self._sessions.all()

    async def session(self, session_id: str) -> SessionInfo:
        """One session that lives in this host.

        Raises:
            UnknownSession: no session has that id.
            SessionEnded: it is over; SessionLost where its process or its host died.
            OwnedElsewhere: another host keeps it.
        """
        return await self._sessions.get(session_id)

    async def renew_session(
        self, session_id: str, idle_ms: int | None = None, lifetime_ms: int | None = None
    ) -> SessionInfo:
        """Begin a new idle period.

        Args:
            session_id: which one.
            idle_ms: from now on; None leaves it as it is. At most ``sessions.max_idle_ms``.
            lifetime_ms: counted from when it was opened; None leaves it as it is. At most ``sessions.max_lifetime_ms``.

        Raises:
            RequestError: as ``session``; WidenedLimits where it asks for more than the settings give.
        """
        return await self._sessions.renew(session_id, idle_ms, lifetime_ms)

    async def end_session(self, session_id: str) -> SessionInfo:
        """End a session: what runs in it is cancelled, what waits is told, its process is dead when this returns.

        Ending one that has ended already changes nothing, and tells how it ended.

        Raises:
            UnknownSession: no session has that id.
            OwnedElsewhere: another host keeps it.
        """
        return await self._sessions.end(session_id)
