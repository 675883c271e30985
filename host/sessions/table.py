"""The sessions of this host: opening, finding, renewing and ending them."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from host.errors import (
    AdapterError,
    DuplicateSession,
    HostClosing,
    InvalidRequest,
    NothingCanServe,
    OwnedElsewhere,
    RequestError,
    SessionNotServed,
    SessionsFull,
    StoreError,
    UnderstudyError,
    UnknownSession,
    WidenedLimits,
)
from host.events import get_logger
from host.interface import CheckResult, SessionAdapter
from host.models import Actor, ExecutionRequest
from host.plugins import Plugins
from host.policy import Policy
from host.registry import Registry
from host.sessions.budget import Budget
from host.sessions.info import SessionInfo, SessionTotals, info_of
from host.sessions.live import LiveSession, over
from host.settings import SessionSettings
from host.store.interface import EndedBy, SessionRecord
from host.switchboard import Switchboard

if TYPE_CHECKING:
    from host.store.interface import Store

__all__ = ["Sessions"]

_OPEN_S = 60.0
"""How long an adapter may take to open a session."""

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
        idle_ms = _within("idle_ms", idle_ms, settings.idle_ms, settings.max_idle_ms)
        lifetime_ms = _within("lifetime_ms", lifetime_ms, settings.lifetime_ms, settings.max_lifetime_ms)
        chosen = self._choose(session_id, language, policy, adapter)
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
            await self._start(record, chosen, policy)
            budget = Budget(self._allowed)
            session = LiveSession(record, chosen, policy, budget, settings.max_queued, self._finish)
            self._live[session_id] = session
        finally:
            self._opening.discard(session_id)
        info = session.info()
        self._plugins.observe("session_opened", session=info)
        return info

    def _choose(self, session_id: str, language: str, policy: Policy, adapter: str | None) -> SessionAdapter:
        """The first adapter on the switchboard that may keep it.

        Raises:
            SessionNotServed: none keeps sessions of that language.
            NothingCanServe: none that does is ready and upholds the policy.
        """
        able = [
            each.name for each in self._registry.adapters.values() if language in each.capabilities().session_languages
        ]
        if not able:
            remedy = "`understudy doctor` says what is missing."
            raise SessionNotServed(f"no adapter in use keeps sessions of {language}.", remedy=remedy)
        if adapter in self._registry.adapters and adapter not in able:
            remedy = f"Name one of {', '.join(able)}, or none."
            raise SessionNotServed(f"adapter {adapter} keeps no sessions of {language}.", remedy=remedy)
        probe = ExecutionRequest(code="", language=language, policy=policy.name, adapter=adapter, session=session_id)
        choice = self._registry.choose(probe, policy, self._switchboard.lanes, self._checks)
        if not isinstance(choice.adapter, SessionAdapter):
            reasons = " ".join(f"{each.adapter}: {each.reason} {each.remedy}".strip() for each in choice.explain)
            message = f"no adapter may keep a session of {language} under policy {policy.name}."
            raise NothingCanServe(message, remedy=reasons)
        return choice.adapter

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

    async def _start(self, record: SessionRecord, adapter: SessionAdapter, policy: Policy) -> None:
        """Have the adapter open it; what fails has its end in the store."""
        try:
            await self._store.open_session(record)
        except asyncio.CancelledError:  # it is written all the same
            await self._failed(record)
            raise
        try:
            async with asyncio.timeout(_OPEN_S):
                await adapter.open(record.id, record.language, policy)
            if self._closing:
                raise HostClosing("the host is shutting down.", remedy="Open the session in another host.")
        except BaseException as error:
            await _closed_quietly(adapter, record.id)
            await self._failed(record)
            if isinstance(error, UnderstudyError) or not isinstance(error, Exception):
                raise
            if isinstance(error, TimeoutError):
                reason = f"adapter {adapter.name} did not open a session within {_OPEN_S:.0f} s."
            else:
                _log.error("adapter_raised", adapter=adapter.name, session=record.id, exc_info=error)
                reason = f"adapter {adapter.name} cannot open a session: {type(error).__name__}: {error}"
            raise AdapterError(reason, may_have_started=False) from error

    async def _failed(self, record: SessionRecord) -> None:
        failed = replace(record, ended_at=datetime.now(UTC), ended_by="failed", reason="It could not be opened.")
        with contextlib.suppress(StoreError):
            await self._store.end_session(failed)

    # --- renewing and ending ------------------------------------------------------------------------------------------

    async def renew(self, session_id: str, idle_ms: int | None, lifetime_ms: int | None) -> SessionInfo:
        """See ``Host.renew_session``."""
        session = await self.find(session_id)
        session.check()
        record, settings = session.record, self._settings
        session.renew(
            _within("idle_ms", idle_ms, record.idle_ms, settings.max_idle_ms),
            _within("lifetime_ms", lifetime_ms, record.lifetime_ms, settings.max_lifetime_ms),
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
        await _closed_quietly(session.adapter, session.id)
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


async def _closed_quietly(adapter: SessionAdapter, session_id: str) -> None:
    try:
        await adapter.close(session_id)
    except Exception as error:  # noqa: BLE001 - it is over for its callers all the same; the adapter's own end cleans up
        _log.error("session_close_failed", adapter=adapter.name, session=session_id, exc_info=error)


def _within(name: str, asked: int | None, default: int, most: int) -> int:
    """A time in ms: what was asked for, or the default.

    Raises:
        InvalidRequest: it is not positive.
        WidenedLimits: it is more than the settings allow.
    """
    if asked is None:
        return min(default, most)
    if asked < 1:
        raise InvalidRequest(f"{name} is {asked}; it is a number of ms, 1 or more.")
    if asked > most:
        raise WidenedLimits(f"{name} {asked} is more than sessions.max_{name} gives ({most}).", remedy="Ask for less.")
    return asked
