"""The one interface of the store, and the records that it gives back.

The host calls ``begin`` before a program starts and ``finish`` when it has ended; what never runs is one row, written
at once by ``record``. When any of the three returns, its row is durable: it survives SIGKILL of the host, and under the
durability ``power`` a loss of power too. All calls come from one event loop and never make it wait.
"""

import builtins
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from host.models import Actor, ExecutionRequest, ExecutionResult, File, Provenance, Status, Usage
from host.policy import Policy

__all__ = ["Durability", "EndedBy", "OwnerInfo", "Page", "Record", "SessionRecord", "Store", "Summary"]

Durability = Literal["process", "power"]
"""What a row that was acknowledged outlives: the host's process however it ends, or the machine's power as well."""

EndedBy = Literal["caller", "idle", "lifetime", "used_up", "lost", "failed", "host"]
"""Why a session is over: somebody ended it; nothing ran in it for too long; its time was up; it used what it may use in
all; its process went; it never opened; its host shut down.
"""


class Summary(BaseModel):
    """One line of history: an execution without its payloads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    status: Status | None = Field(description="null while it runs")
    reason: str = ""
    language: str
    policy: str
    adapter: str | None = None
    adapter_version: str | None = None
    actor: Actor | None = Field(default=None, description="who asked")
    session: str | None = Field(default=None, description="the session whose command it was")
    may_have_started: bool = False
    exit_code: int | None = None
    signal: str | None = None
    usage: Usage = Usage()
    provenance: Provenance = Provenance()
    outputs_kept: bool = Field(
        default=False, description="whether value, stdout, stderr, files and displays are in the record"
    )
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One execution with what its policy lets the store keep.

    Attributes:
        summary: who asked, what ended it, hashes, times.
        result: what the caller was answered, without its outputs where those are not kept; None while it runs.
        owner: the host that ran it.
        code: the program, or None where it is not kept.
        inputs_wire: the inputs in wire form, or None where they are not kept.
        files: the files that went in, empty where inputs are not kept.
    """

    summary: Summary
    result: ExecutionResult | None
    owner: str
    code: str | None = None
    inputs_wire: bytes | None = None
    files: tuple[File, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """Some executions, newest first; ``next`` is what ``before`` takes to give the older ones, None at the end."""

    executions: tuple[Summary, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class OwnerInfo:
    """A host that runs executions: where it runs, and which folder holds the lock that proves it alive."""

    id: str
    machine: str
    lock_folder: str
    pid: int
    started_at: datetime


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A session, as it outlives its host.

    Attributes:
        owner: the host that keeps it.
        policy: the name of its policy.
        idle_ms: how long it may stand idle, in ms.
        lifetime_ms: how long it may live in all, in ms.
        ended_at: None while it lives, or where its host died and nobody noticed yet.
        reason: why it ended, a sentence.
        commands, wall_ms, cpu_ms, output_bytes: what its commands used; written when it ends.
    """

    id: str
    owner: str
    language: str
    policy: str
    adapter: str
    adapter_version: str
    idle_ms: int
    lifetime_ms: int
    created_at: datetime
    actor: Actor | None = None
    ended_at: datetime | None = None
    ended_by: EndedBy | None = None
    reason: str = ""
    commands: int = 0
    wall_ms: float = 0.0
    cpu_ms: float = 0.0
    output_bytes: int = 0


class Store(Protocol):
    """Keeps executions. Every method raises StoreError, with the remedy, where the database does not answer."""

    async def begin(
        self,
        request: ExecutionRequest,
        policy: Policy,
        *,
        owner: str,
        adapter: str | None = None,
        adapter_version: str | None = None,
    ) -> None:
        """Write the intent to run, durably. Nothing may run before this has returned.

        A cancelled call first waits for the write: when CancelledError leaves this method the row is written and wants
        a ``finish``.

        Raises:
            DuplicateExecution: the id was used before.
        """
        ...

    async def finish(self, request: ExecutionRequest, policy: Policy, result: ExecutionResult) -> bool:
        """Write the final record. False where the execution has one already: the first stays."""
        ...

    async def record(self, request: ExecutionRequest, policy: Policy, result: ExecutionResult, *, owner: str) -> None:
        """Write an execution that ended without running (denied, not_implemented, a syntax error) as one row.

        Raises:
            DuplicateExecution: the id was used before.
        """
        ...

    async def get(self, execution_id: str) -> Record:
        """One execution.

        Raises:
            UnknownExecution: no execution has that id.
        """
        ...

    async def list(
        self,
        *,
        limit: int = 50,
        before: str | None = None,
        status: Status | None = None,
        language: str | None = None,
        adapter: str | None = None,
        actor: str | None = None,
        session: str | None = None,
    ) -> Page:
        """Executions, newest first. ``before`` is the id of one: only older ones are listed.

        Raises:
            UnknownExecution: no execution has the id ``before``.
            InvalidRequest: ``limit`` is not in 1 to 500.
        """
        ...

    async def open_session(self, session: SessionRecord) -> None:
        """Write a session that is about to open, durably.

        Raises:
            DuplicateSession: the id was used before.
        """
        ...

    async def end_session(self, session: SessionRecord) -> None:
        """Write how it ended. Where it has an end already, the first stays."""
        ...

    async def get_session(self, session_id: str) -> SessionRecord:
        """One session, living or not.

        Raises:
            UnknownSession: no session has that id.
        """
        ...

    async def register(self, owner: OwnerInfo) -> None:
        """Note a host that is about to run executions."""
        ...

    async def get_owner(self, owner_id: str) -> OwnerInfo | None:
        """A host that was registered, alive or not; None where none by that id was."""
        ...

    async def owners_at_work(self, *, machine: str, lock_folder: str) -> builtins.list[str]:
        """The hosts of that machine and lock folder that have executions or sessions without an end."""
        ...

    async def recover(self, dead_owners: Sequence[str]) -> int:
        """Mark the executions that dead hosts left without an end as ``interrupted``, and end their sessions.

        Returns how many executions there were.
        """
        ...

    async def purge(self) -> int:
        """Remove the payloads whose time is over; hashes and times stay. Returns how many executions it emptied."""
        ...

    async def aclose(self) -> None:
        """Write what waits, then let go of the database. Closing twice is no error."""
        ...
