"""The sessions of this host: opening, finding, renewing and ending them."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from host.errors import DuplicateSession, OwnedElsewhere, RequestError, SessionsFull, StoreError, UnknownSession
from host.events import get_logger
from host.interface import CheckResult
from host.models import Actor, ExecutionRequest
from host.plugins import Plugins
from host.policy import Policy
from host.registry import Registry
from host.sessions.budget import Budget
from host.sessions.info import SessionInfo, SessionTotals, info_of
from host.sessions.live import LiveSession, over
from host.sessions.opening import choose, closed_quietly, start, within
from host.settings import SessionSettings
from host.store.interface import EndedBy, SessionRecord
from host.switchboard import Switchboard

if TYPE_CHECKING:
    from host.store.interface import Store

__all__ = ["Sessions"]

_log = get_logger("understudy.sessions")


class Sessions:
    """Every session that lives in this host.

    Args:
        settings: how many, how long, how much.
        registry, switchboard, checks, plugins, store, owner: the host's.
        is_alive: whether the host with that owner id lives.
        cancel: stops a command by its execution id, for a reason, and comes back when it is dead and recorded.
    """

    def __init__(
        self,
        settings: SessionSettings,
        registry: Registry,
        switchboard: Switchboard,
        checks: Mapping[str, CheckResult],
        plugins: Plugins,
        store: "Store",
        owner: str,
        is_alive: Callable[[str], Awaitable[bool]],
        cancel: Callable[[str, str], Awaitable[bool]],
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._switchboard = switchboard
        self._checks = checks
        self._plugins = plugins
        self._store = store
        self._owner = owner
        self._is_alive = is_alive
        self._cancel = cancel
        self._live: dict[str, LiveSession] = {}
        self._opening: set[str] = set()
        self._closing = False
        self._allowed = SessionTotals(
            commands=settings.max_commands,
            wall_ms=settings.max_wall_ms,
            cpu_ms=settings.max_cpu_ms,
            output_bytes=settings.max_output_bytes,
        )

    # --- finding ------------------------------------------------------------------------------------------------------

    def here(self, session_id: str) -> LiveSession:
        """The session by that id that lives in this host.

        Raises:
            UnknownSession: none does; ``missing`` says more.
        """
        session = self._live.get(session_id)
        if session is None:
            raise UnknownSession(f"no session {session_id!r} lives in this host.", remedy="Open one.")
        return session

    async def find(self, session_id: str) -> LiveSession:
        """The session by that id that lives in this host, or what became of it.

        Raises:
            UnknownSession: there never was one, or its record is gone.
            SessionEnded: it is over; SessionLost where its process or its host died.
            OwnedElsewhere: another host keeps it.
        """
        session = self._live.get(session_id)
        if session is None:
            raise await self._missing(session_id)
        return session

    async def get(self, session_id: str) -> SessionInfo:
        """See ``Host.session``."""
        session = await self.find(session_id)
        session.check()
        return session.info()

    def all(self) -> tuple[SessionInfo, ...]:
        """Those that take commands, oldest first."""
        self._look_after()
        return tuple(each.info() for each in self._live.values() if each.over is None)

    async def _missing(self, session_id: str) -> RequestError:
        """Why no session by that id lives here."""
        if session_id in self._opening:
            return UnknownSession(f"session {session_id!r} is still being opened.", remedy="Wait for the answer.")
        try:
            record = await self._store.get_session(session_id)
        except UnknownSession as unknown:
            return unknown
        if record.ended_at is None and await self._is_elsewhere(record):
            return OwnedElsewhere(f"another host keeps session {session_id!r}.", remedy="Send the command there.")
        record = await self._settled(record)
        return over(session_id, record.ended_by, record.reason)

    async def _is_elsewhere(self, record: SessionRecord) -> bool:
        return record.owner != self._owner and await self._is_alive(record.owner)

    async def _settled(self, record: SessionRecord) -> SessionRecord:
        """A record that has its end; one that nobody ended was lost with its host."""
        if record.ended_at is None:
            reason = "The host that kept it died, or lost sight of it."
            record = replace(record, ended_at=datetime.now(UTC), ended_by="lost", reason=reason)
            await self._store.end_session(record)
        return record

    # --- opening ------------------------------------------------------------------------------------------------------

    async def open(
        self,
        session_id: str,
        language: str,
        policy: Policy,
        *,
        adapter: str | None = None,
        idle_ms: int | None = None,
        lifetime_ms: int | None = None,
        actor: Actor | None = None,
    ) -> SessionInfo:
        """Start an interpreter. See ``Host.open_session``."""
        settings = self._settings
        idle_ms = within("idle_ms", idle_ms, settings.idle_ms, settings.max_idle_ms)
        lifetime_ms = within("lifetime_ms", lifetime_ms, settings.lifetime_ms, settings.max_lifetime_ms)
        asked = ExecutionRequest(code="", language=language, policy=policy.name, adapter=adapter, session=session_id)
        chosen = choose(self._registry, self._switchboard, self._checks, asked, policy)
        self._refuse_where_full()
        record = SessionRecord(
            id=session_id,
            owner=self._owner,
            language=language,
            policy=policy.name,
            adapter=chosen.name,
            adapter_version=chosen.capabilities().version,
            idle_ms=idle_ms,
            lifetime_ms=lifetime_ms,
            created_at=datetime.now(UTC),
            actor=actor,
        )
        if session_id in self._opening:  # the store would say the same, a moment later
            raise DuplicateSession(f"a session with the id {session_id!r} is being opened.", remedy="Send another id.")
        self._opening.add(session_id)
        try:
            await start(self._store, chosen, record, policy, lambda: self._closing)
            budget = Budget(self._allowed)
            session = LiveSession(record, chosen, policy, budget, settings.max_queued, self._finish)
            self._live[session_id] = session
        finally:
            self._opening.discard(session_id)
        info = session.info()
        self._plugins.observe("session_opened", session=info)
        return info

    def _refuse_where_full(self) -> None:
        most = self._settings.max_sessions
        self._look_after()
        if sum(each.over is None for each in self._live.values()) + len(self._opening) >= most:
            raise SessionsFull(
                f"this host keeps {most} sessions, and no more may live at once.",
                remedy="End one that is not needed, or raise sessions.max_sessions.",
            )

    def _look_after(self) -> None:
        """End what has lost its process while nobody looked."""
        for session in tuple(self._live.values()):
            with contextlib.suppress(RequestError):
                session.check()

    # --- renewing and ending ------------------------------------------------------------------------------------------

    async def renew(self, session_id: str, idle_ms: int | None, lifetime_ms: int | None) -> SessionInfo:
        """See ``Host.renew_session``."""
        session = await self.find(session_id)
        session.check()
        record, settings = session.record, self._settings
        session.renew(
            within("idle_ms", idle_ms, record.idle_ms, settings.max_idle_ms),
            within("lifetime_ms", lifetime_ms, record.lifetime_ms, settings.max_lifetime_ms),
        )
        return session.info()

    async def end(self, session_id: str) -> SessionInfo:
        """See ``Host.end_session``."""
        session = self._live.get(session_id)
        if session is not None:
            self._finish(session, "caller", "It was ended on request.")
            assert session.ending is not None  # noqa: S101 - that is what _finish begins
            return await asyncio.shield(session.ending)
        if session_id in self._opening:
            raise await self._missing(session_id)
        record = await self._store.get_session(session_id)
        if record.ended_at is None and await self._is_elsewhere(record):
            raise await self._missing(session_id)
        return info_of(await self._settled(record), self._allowed)

    async def aclose(self) -> None:
        """End all of them: the host shuts down."""
        self._closing = True
        for session in tuple(self._live.values()):
            self._finish(session, "host", "The host shut down.")
        await asyncio.gather(*(each.ending for each in tuple(self._live.values()) if each.ending is not None))

    def _finish(self, session: LiveSession, ended_by: EndedBy, reason: str) -> None:
        """Begin to end a session; the first reason stays."""
        if session.ending is None:
            session.close(over(session.id, ended_by, reason))
            session.ending = asyncio.create_task(self._end(session, ended_by, reason), name=f"end {session.id}")

    async def _end(self, session: LiveSession, ended_by: EndedBy, reason: str) -> SessionInfo:
        running = session.first()
        if running is not None and running.runs:
            await self._cancel(running.id, f"Its session is over. {reason}")
        await closed_quietly(session.adapter, session.id)
        used = session.budget.used
        session.record = record = replace(
            session.record,
            ended_at=datetime.now(UTC),
            ended_by=ended_by,
            reason=reason,
            commands=used.commands,
            wall_ms=used.wall_ms,
            cpu_ms=used.cpu_ms,
            output_bytes=used.output_bytes,
        )
        try:
            await self._store.end_session(record)
        except StoreError as error:
            _log.error("session_end_not_recorded", session=session.id, reason=str(error))
        del self._live[session.id]
        _log.info("session_ended", session=session.id, ended_by=ended_by, reason=reason)
        info = info_of(record, self._allowed)
        self._plugins.observe("session_ended", session=info)
        return info
