"""Opening: which adapter may keep a session, and what becomes of one that cannot be started."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from host.errors import (
    AdapterError,
    HostClosing,
    InvalidRequest,
    NothingCanServe,
    SessionNotServed,
    StoreError,
    UnderstudyError,
    WidenedLimits,
)
from host.events import get_logger
from host.interface import CheckResult, SessionAdapter
from host.models import ExecutionRequest
from host.policy import Policy
from host.registry import Registry
from host.store.interface import SessionRecord
from host.switchboard import Switchboard

if TYPE_CHECKING:
    from host.store.interface import Store

__all__ = ["choose", "closed_quietly", "start", "within"]

_OPEN_S = 60.0
"""How long an adapter may take to open a session."""

_log = get_logger("understudy.sessions")


def choose(
    registry: Registry,
    switchboard: Switchboard,
    checks: Mapping[str, CheckResult],
    request: ExecutionRequest,
    policy: Policy,
) -> SessionAdapter:
    """The first adapter on the switchboard that may keep a session for commands like ``request``.

    Raises:
        SessionNotServed: none keeps sessions of that language.
        NothingCanServe: none that does is ready and upholds the policy.
    """
    language, adapter = request.language, request.adapter
    able = [each.name for each in registry.adapters.values() if language in each.capabilities().session_languages]
    if not able:
        remedy = "`understudy doctor` says what is missing."
        raise SessionNotServed(f"no adapter in use keeps sessions of {language}.", remedy=remedy)
    if adapter in registry.adapters and adapter not in able:
        remedy = f"Name one of {', '.join(able)}, or none."
        raise SessionNotServed(f"adapter {adapter} keeps no sessions of {language}.", remedy=remedy)
    choice = registry.choose(request, policy, switchboard.lanes, checks)
    if not isinstance(choice.adapter, SessionAdapter):
        reasons = " ".join(f"{each.adapter}: {each.reason} {each.remedy}".strip() for each in choice.explain)
        message = f"no adapter may keep a session of {language} under policy {policy.name}."
        raise NothingCanServe(message, remedy=reasons)
    return choice.adapter


async def start(
    store: "Store", adapter: SessionAdapter, record: SessionRecord, policy: Policy, is_closing: Callable[[], bool]
) -> None:
    """Record a session and have the adapter open it; what fails has its end in the store.

    Raises:
        DuplicateSession: the id was used before.
        AdapterError: the adapter cannot open it.
        HostClosing: the host began to shut down meanwhile.
    """
    try:
        await store.open_session(record)
    except asyncio.CancelledError:  # it is written all the same
        await _failed(store, record)
        raise
    try:
        async with asyncio.timeout(_OPEN_S):
            await adapter.open(record.id, record.language, policy)
        if is_closing():
            raise HostClosing("the host is shutting down.", remedy="Open the session in another host.")
    except BaseException as error:
        await closed_quietly(adapter, record.id)
        await _failed(store, record)
        if isinstance(error, UnderstudyError) or not isinstance(error, Exception):
            raise
        if isinstance(error, TimeoutError):
            reason = f"adapter {adapter.name} did not open a session within {_OPEN_S:.0f} s."
        else:
            _log.error("adapter_raised", adapter=adapter.name, session=record.id, exc_info=error)
            reason = f"adapter {adapter.name} cannot open a session: {type(error).__name__}: {error}"
        raise AdapterError(reason, may_have_started=False) from error


async def _failed(store: "Store", record: SessionRecord) -> None:
    failed = replace(record, ended_at=datetime.now(UTC), ended_by="failed", reason="It could not be opened.")
    with contextlib.suppress(StoreError):
        await store.end_session(failed)


async def closed_quietly(adapter: SessionAdapter, session_id: str) -> None:
    """Close a session that is over for its callers, whatever the adapter says to that."""
    try:
        await adapter.close(session_id)
    except Exception as error:  # noqa: BLE001 - the adapter's own end cleans up
        _log.error("session_close_failed", adapter=adapter.name, session=session_id, exc_info=error)


def within(name: str, asked: int | None, default: int, most: int) -> int:
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
