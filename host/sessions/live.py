"""One session that lives here, and the way of a command through it: its place in the queue, its turn, its end."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from host.errors import AdapterError, SessionBusy, SessionEnded, SessionLost, SessionMismatch
from host.interface import Emit, SessionAdapter
from host.models import ExecutionRequest, ExecutionResult
from host.policy import Policy
from host.sessions.budget import Budget
from host.sessions.info import SessionInfo
from host.store.interface import EndedBy, SessionRecord

__all__ = ["Command", "LiveSession", "over"]

Finish = Callable[["LiveSession", EndedBy, str], None]
"""Ends a session for a reason, a sentence. It returns at once."""


class LiveSession:
    """An interpreter that is alive in this host.

    Attributes:
        record: what the store knows of it.
        adapter: which one keeps it.
        policy: what its commands may do, with the limits that it was opened with.
        budget: what they used and may use in all.
        over: what a further command is told; None while it takes commands.
        ending: the work of ending it, once that has begun.
    """

    def __init__(
        self,
        record: SessionRecord,
        adapter: SessionAdapter,
        policy: Policy,
        budget: Budget,
        most_queued: int,
        finish: Finish,
    ) -> None:
        self.record = record
        self.adapter = adapter
        self.policy = policy
        self.budget = budget
        self.over: SessionEnded | None = None
        self.ending: asyncio.Task[SessionInfo] | None = None
        self._most_queued = most_queued
        self._finish = finish
        self._commands: deque[Command] = deque()  # the first has its turn, or gets it as soon as it asks
        self._loop = asyncio.get_running_loop()
        self._last_used_at: datetime | None = None
        self._idle_since = datetime.now(UTC)
        self._idle_timer: asyncio.TimerHandle | None = None
        self._life_timer: asyncio.TimerHandle | None = None
        self._born = self._loop.time()
        self._set_timers()

    @property
    def id(self) -> str:
        return self.record.id

    def info(self) -> SessionInfo:
        """What callers are told of it now."""
        record, budget = self.record, self.budget
        return SessionInfo(
            id=record.id,
            state="busy" if self._commands else "idle",
            language=record.language,
            policy=record.policy,
            adapter=record.adapter,
            adapter_version=record.adapter_version,
            actor=record.actor,
            queued=max(len(self._commands) - 1, 0),
            used=budget.used,
            allowed=budget.allowed,
            idle_ms=record.idle_ms,
            lifetime_ms=record.lifetime_ms,
            created_at=record.created_at,
            last_used_at=self._last_used_at,
            expires_at=self._expires_at(),
        )

    # --- commands -----------------------------------------------------------------------------------------------------

    def bound(self, request: ExecutionRequest, language: str | None) -> ExecutionRequest:
        """The request with the language, adapter and policy of the session, and its actor where it names none.

        Args:
            request: it names this session.
            language: the proper name of the request's language; None where the request names none.

        Raises:
            SessionMismatch: it names others.
        """
        record = self.record
        given = (("language", language), ("policy", request.policy), ("adapter", request.adapter))
        for name, value in given:
            own = getattr(record, name)
            if value is not None and value != own:
                raise SessionMismatch(
                    f"session {self.id!r} has {name} {own}, and the command names {value}.",
                    remedy=f"Leave {name} out, or open a session with {name} {value}.",
                )
        own_fields = {"language": record.language, "policy": record.policy, "adapter": record.adapter}
        return request.model_copy(update={**own_fields, "actor": request.actor or record.actor})

    def enter(self, execution_id: str) -> "Command":
        """A command's place at the end of the queue; use it as a context.

        Raises:
            SessionEnded: it takes no more commands.
            SessionBusy: the queue is full.
        """
        self.check()
        if len(self._commands) > self._most_queued:
            raise SessionBusy(
                f"{self._most_queued} commands wait for session {self.id!r}, and no more may.",
                remedy="Wait for an answer before the next command, or raise sessions.max_queued.",
            )
        command = Command(self, execution_id)
        self._commands.append(command)
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        return command

    def check(self) -> None:
        """Raise what a command is told where it takes none.

        Raises:
            SessionEnded: it is over. SessionLost where its process is gone.
        """
        if self.over is None and not self.adapter.alive(self.id):
            self._finish(self, "lost", "Its process ended while nothing ran in it.")
        if self.over is not None:
            raise self.over

    def first(self) -> "Command | None":
        """The command that has its turn."""
        return self._commands[0] if self._commands else None

    def left(self, command: "Command") -> None:
        """A command is out of the queue: the next one's turn has come."""
        self._commands.remove(command)
        self._last_used_at = datetime.now(UTC)
        if self._commands:
            self._commands[0].wake()
        elif self.over is None:
            self._idle_since = self._last_used_at
            self._set_idle_timer()

    def settled(self, command: "Command", result: ExecutionResult) -> ExecutionResult:
        """Count a command that has ended, and end the session where it cannot go on."""
        self.budget.spend(result)
        if self.over is None and not self.adapter.alive(self.id):
            self._finish(self, "lost", f"Its process is gone since command {command.id!r} ended as {result.status}.")
        if self.over is None and (sentence := self.budget.used_up()):
            self._finish(self, "used_up", sentence)
        if self.over is None:
            return result
        reason = f"{result.reason} Session {self.id!r} is over.".lstrip()
        return result.model_copy(update={"session_ended": True, "reason": reason})

    # --- time ---------------------------------------------------------------------------------------------------------

    def renew(self, idle_ms: int, lifetime_ms: int) -> None:
        """Begin a new idle period; ``lifetime_ms`` counts from when it was opened."""
        self.record = replace(self.record, idle_ms=idle_ms, lifetime_ms=lifetime_ms)
        self._idle_since = datetime.now(UTC)
        self._set_timers()

    def close(self, told: SessionEnded) -> None:
        """Take no more commands: those that wait are told why."""
        self.over = told
        for timer in (self._idle_timer, self._life_timer):
            if timer is not None:
                timer.cancel()
        for command in self._commands:
            command.wake()

    def _set_timers(self) -> None:
        if self._life_timer is not None:
            self._life_timer.cancel()
        reason = f"It lived for the {self.record.lifetime_ms} ms that it was given."
        at = self._born + self.record.lifetime_ms / 1000
        self._life_timer = self._loop.call_at(at, self._finish, self, "lifetime", reason)
        if not self._commands:
            self._set_idle_timer()

    def _set_idle_timer(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        reason = f"Nothing was run in it for {self.record.idle_ms} ms."
        self._idle_timer = self._loop.call_later(self.record.idle_ms / 1000, self._finish, self, "idle", reason)

    def _expires_at(self) -> datetime:
        """The end of its life, or sooner the end of its idle period."""
        at = self.record.created_at + timedelta(milliseconds=self.record.lifetime_ms)
        if not self._commands:
            at = min(at, self._idle_since + timedelta(milliseconds=self.record.idle_ms))
        return at


class Command:
    """One command, from its place in the queue to its end. The place is given up when the context ends.

    Attributes:
        id: of the execution.
        runs: it has had its turn.
    """

    def __init__(self, session: LiveSession, execution_id: str) -> None:
        self.id = execution_id
        self.runs = False
        self._session = session
        self._withdrawn = False
        self._woken: asyncio.Event | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.left(self)

    async def turn(self, policy: Policy) -> Policy:
        """Wait until every command that came before is out of the queue, or until this one is withdrawn.

        Returns:
            The policy for the command, tightened to what is left for the session.

        Raises:
            SessionEnded: the session came to its end before the turn of this command. Nothing was run.
        """
        session = self._session
        while not self._withdrawn:
            session.check()
            if session.first() is self:
                self.runs = True
                return session.budget.within(policy)
            if self._woken is None:
                self._woken = asyncio.Event()
            await self._woken.wait()
            self._woken.clear()
        return policy

    def withdraw(self) -> None:
        """Let ``turn`` come back at once: the command is not wanted any more."""
        self._withdrawn = True
        self.wake()

    def wake(self) -> None:
        """Something has changed: look again."""
        if self._woken is not None:
            self._woken.set()

    async def run(self, request: ExecutionRequest, policy: Policy, emit: Emit) -> ExecutionResult:
        """Have it run in the session. See ``Adapter.execute``."""
        session = self._session
        try:
            return await session.adapter.run(session.id, request, policy, emit)
        except SessionLost as lost:
            reason = lost.message or "The session's process ended before the command."
            raise AdapterError(reason, may_have_started=False, lost=True) from lost

    def settled(self, result: ExecutionResult) -> ExecutionResult:
        """Count what it used. The result says whether the session is over."""
        return self._session.settled(self, result)


def over(session_id: str, ended_by: EndedBy | None, reason: str) -> SessionEnded:
    """What a command is told on a session that has ended."""
    kind = SessionLost if ended_by in ("lost", "failed", None) else SessionEnded
    what = "is lost" if kind is SessionLost else "has ended"
    remedy = "Open a new session; its variables begin anew, and nothing is run again."
    return kind(f"session {session_id!r} {what}. {reason}".rstrip(), remedy=remedy)
