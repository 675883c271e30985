"""Sessions in the database: what is written when one opens and ends, and what is read of it.

A session lives in the process of one host. The row outlives it, so that a later command on the id can be told what
became of it.
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Delete, Row, Select, Update, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from host.errors import DuplicateSession, UnknownSession
from host.store.interface import SessionRecord
from host.store.rows import actor_of, moment
from host.store.schema import sessions
from host.store.statements import instant_us

__all__ = ["HOST_DIED", "ended", "lost_with", "old", "opened", "reads", "record", "unended"]

HOST_DIED = "The host that kept it died, or lost sight of it."


def opened(record: SessionRecord) -> Any:
    """What writes a session that is about to open; a DuplicateSession where the id was used before."""
    row = {
        "id": record.id,
        "owner": record.owner,
        "actor_id": record.actor.id if record.actor else None,
        "actor_type": record.actor.type if record.actor else None,
        "language": record.language,
        "policy": record.policy,
        "adapter": record.adapter,
        "adapter_version": record.adapter_version,
        "idle_ms": record.idle_ms,
        "lifetime_ms": record.lifetime_ms,
        "created_us": instant_us(record.created_at),
        "reason": "",
        **_used(record),
    }

    def write(connection: Connection) -> DuplicateSession | None:
        try:
            with connection.begin_nested():
                connection.execute(insert(sessions).values(row))
        except IntegrityError:
            remedy = "Send another id, or none."
            return DuplicateSession(f"a session with the id {record.id!r} was opened before.", remedy=remedy)
        return None

    return write


def ended(record: SessionRecord) -> Update:
    """How it ended and what it had used. The first end stays."""
    end = {
        "ended_us": instant_us(record.ended_at or datetime.now(UTC)),
        "ended_by": record.ended_by,
        "reason": record.reason,
        "idle_ms": record.idle_ms,
        "lifetime_ms": record.lifetime_ms,
        **_used(record),
    }
    return update(sessions).where(sessions.c.id == record.id, sessions.c.ended_us.is_(None)).values(end)


def lost_with(owners: Sequence[str]) -> Update:
    """The end of what dead hosts kept."""
    end = {"ended_us": time.time_ns() // 1000, "ended_by": "lost", "reason": HOST_DIED}
    return update(sessions).where(sessions.c.ended_us.is_(None), sessions.c.owner.in_(owners)).values(end)


def unended() -> Select[Any]:
    """The owners of sessions without an end."""
    return select(sessions.c.owner).where(sessions.c.ended_us.is_(None))


def old(before_us: int) -> Delete:
    """Removes what ended, of sessions that were opened before then."""
    return delete(sessions).where(sessions.c.created_us <= before_us, sessions.c.ended_us.is_not(None))


def reads(session_id: str) -> Select[Any]:
    """The row of one session."""
    return select(sessions).where(sessions.c.id == session_id)


def record(rows: Sequence[Row[Any]], session_id: str) -> SessionRecord:
    """The session behind what ``reads`` found.

    Raises:
        UnknownSession: it found nothing.
    """
    if not rows:
        remedy = "Open one with POST /v1/sessions, or Host.open_session."
        raise UnknownSession(f"no session has the id {session_id!r}.", remedy=remedy)
    row = rows[0]
    return SessionRecord(
        id=row.id,
        owner=row.owner,
        actor=actor_of(row),
        language=row.language,
        policy=row.policy,
        adapter=row.adapter,
        adapter_version=row.adapter_version,
        idle_ms=row.idle_ms,
        lifetime_ms=row.lifetime_ms,
        created_at=moment(row.created_us),
        ended_at=moment(row.ended_us),
        ended_by=row.ended_by,
        reason=row.reason,
        commands=row.commands,
        wall_ms=row.wall_ms,
        cpu_ms=row.cpu_ms,
        output_bytes=row.output_bytes,
    )


def _used(record: SessionRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in ("commands", "wall_ms", "cpu_ms", "output_bytes")}
