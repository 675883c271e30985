"""What callers are told of a session."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from host.models import Actor
from host.store.interface import EndedBy, SessionRecord

__all__ = ["SessionInfo", "SessionTotals", "info_of"]


class SessionTotals(BaseModel):
    """What the commands of a session used, or may use, in all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    commands: int = Field(default=0, description="commands that reached the interpreter")
    wall_ms: float = Field(default=0.0, description="wall-clock time of all commands together, in ms")
    cpu_ms: float = Field(default=0.0, description="CPU time of all commands together, in ms")
    output_bytes: int = Field(default=0, description="stdout, stderr and values of all commands together, in bytes")


class SessionInfo(BaseModel):
    """A session: what it is fixed to, what it does now, how long it lives, what it used."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    state: Literal["idle", "busy", "ended"]
    language: str
    policy: str
    adapter: str
    adapter_version: str
    actor: Actor | None = Field(default=None, description="who opened it")
    queued: int = Field(default=0, description="commands that wait for their turn")
    used: SessionTotals
    allowed: SessionTotals
    idle_ms: int = Field(description="how long it may stand idle, in ms")
    lifetime_ms: int = Field(description="how long it may live in all, in ms")
    created_at: datetime
    last_used_at: datetime | None = Field(description="when a command last ended; null before and after")
    expires_at: datetime | None = Field(description="when it ends if nothing more is run in it; null once it has ended")
    ended_at: datetime | None = None
    ended_by: EndedBy | None = None
    reason: str = Field(default="", description="why it ended, a sentence for people")


def info_of(record: SessionRecord, allowed: SessionTotals) -> SessionInfo:
    """A session that has ended, as the store knows it."""
    used = SessionTotals(
        commands=record.commands,
        wall_ms=record.wall_ms,
        cpu_ms=record.cpu_ms,
        output_bytes=record.output_bytes,
    )
    return SessionInfo(
        id=record.id,
        state="ended",
        language=record.language,
        policy=record.policy,
        adapter=record.adapter,
        adapter_version=record.adapter_version,
        actor=record.actor,
        used=used,
        allowed=allowed,
        idle_ms=record.idle_ms,
        lifetime_ms=record.lifetime_ms,
        created_at=record.created_at,
        last_used_at=None,
        expires_at=None,
        ended_at=record.ended_at,
        ended_by=record.ended_by,
        reason=record.reason,
    )
