"""The contract between the host and an execution back end.

Who calls what: the host makes an adapter from its spec, calls ``start`` once, then ``check`` as often as readiness
asks, and for each request ``accepts`` and at most one ``execute``; ``aclose`` ends its life. All calls come from one
event loop; many ``execute`` calls run at the same time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from host.models import Display, ExecutionRequest, ExecutionResult
from host.policy import ENFORCED_FIELDS, Enforcement, Policy

__all__ = [
    "Adapter",
    "AdapterContext",
    "Capabilities",
    "CheckResult",
    "DisplayEvent",
    "Emit",
    "Finding",
    "Kept",
    "OutputEvent",
    "Refusal",
    "SessionAdapter",
    "discard",
]


@dataclass(frozen=True, slots=True)
class OutputEvent:
    """A piece of output as the program wrote it. ``text`` is whole characters; ``stream`` is stdout or stderr."""

    stream: Literal["stdout", "stderr"]
    text: str


@dataclass(frozen=True, slots=True)
class DisplayEvent:
    """Something to look at, as the program showed it."""

    display: Display


Emit = Callable[[OutputEvent | DisplayEvent], None]
"""Takes events as they happen. It returns at once and never raises."""


def discard(event: OutputEvent | DisplayEvent) -> None:
    """An ``Emit`` for callers who only want the result."""


class Capabilities(BaseModel):
    """What an adapter can do, truthfully, on this machine now.

    ``enforcement`` holds a level for each of ``ENFORCED_FIELDS``; what is absent is ``none``. Where one language
    differs (memory of JavaScript, say), ``enforcement_by_language`` overrides single fields.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    languages: tuple[str, ...]
    enforcement: Mapping[str, Enforcement]
    enforcement_by_language: Mapping[str, Mapping[str, Enforcement]] = Field(default_factory=dict)
    runs_code: bool = Field(default=True, description="false for a stand-in that answers without running anything")
    files: bool = False
    session_languages: tuple[str, ...] = Field(
        default=(), description="languages of which it keeps interpreters alive between commands"
    )
    streaming: bool = False
    remote: bool = Field(default=False, description="code leaves this machine")
    priced: bool = Field(default=False, description="a run costs money")

    def level(self, policy_field: str, language: str) -> Enforcement:
        """How ``policy_field`` is upheld for ``language``."""
        special = self.enforcement_by_language.get(language, {})
        return special.get(policy_field, self.enforcement.get(policy_field, Enforcement.NONE))

    def shortfalls(self, policy: Policy, language: str) -> list[str]:
        """The fields that ``policy`` requires at a higher level than this adapter holds, one sentence each."""
        return [
            f"{name} is held at level {held}, policy {policy.name} requires {required}"
            for name in ENFORCED_FIELDS
            if not (held := self.level(name, language)).upholds(required := policy.required(name))
        ]


class Finding(BaseModel):
    """One thing that a check looked at. A finding that is not ok names what is wrong and the command that mends it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    ok: bool
    reason: str
    remedy: str = ""


class CheckResult(BaseModel):
    """One readiness probe. ``findings`` go into detail; a finding may be bad without making the adapter unready."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ok: bool
    reason: str
    remedy: str = ""
    latency_ms: float | None = None
    findings: tuple[Finding, ...] = ()


class Refusal(BaseModel):
    """Why an adapter or a policy check will not take one request. Nothing has run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: str
    reason: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """What an adapter keeps between runs, so that whoever looks for leftovers can tell the two apart.

    An adapter that keeps processes ready has a method ``kept() -> Kept``; it is called from any thread.

    Attributes:
        processes: ids of processes.
        trees: ids of processes that count with all that descends from them.
        descriptors: how many descriptors of this process.
        changing: something is on its way in or out, so that for the moment nobody can tell exactly.
        elsewhere: folders in which others mount what they like, as a container engine on this machine does.
    """

    processes: frozenset[int] = frozenset()
    trees: frozenset[int] = frozenset()
    descriptors: int = 0
    changing: bool = False
    elsewhere: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AdapterContext:
    """What an adapter is given when it starts.

    Attributes:
        settings: its own table of the configuration, ``[adapters.NAME]``, as plain data.
        state_dir: a folder of the host's; an adapter keeps what must outlive a run below ``state_dir / name``.
        owner: this host's id, to label what is left behind if the host dies.
        languages: the only languages that this host will be asked for, or None for any. A host that was started for
            one program need not look for, nor prove, the runtimes of the others.
        policy: the one of requests that name none, to be ready for them; None where nobody says.
    """

    settings: Mapping[str, Any]
    state_dir: Path
    owner: str
    languages: tuple[str, ...] | None = None
    policy: Policy | None = None


@runtime_checkable
class Adapter(Protocol):
    """One back end behind the execution interface."""

    name: str

    def capabilities(self) -> Capabilities:
        """What it can do on this machine. Cheap; called on the hot path, so cache it."""
        ...

    async def start(self, context: AdapterContext) -> None:
        """Get ready to run: find programs, fill pools. Called once, before anything else but ``capabilities``.

        Raises:
            AdapterError: it cannot start; the host shows it as not ready, with the message.
        """
        ...

    async def check(self) -> CheckResult:
        """Prove that it is ready, by running a program where it can. Raises nothing: what fails is a finding."""
        ...

    def accepts(self, request: ExecutionRequest, policy: Policy) -> Refusal | None:
        """Decline this one request before anything runs, or None. Fast and free of side effects."""
        ...

    async def execute(self, request: ExecutionRequest, policy: Policy, emit: Emit) -> ExecutionResult:
        """Run the request within ``policy`` and report what happened.

        The program's own failure is a result. Cancelling the task stops the run: when ``CancelledError`` leaves this
        method the program and all it started are dead, and nothing of it is left; an adapter whose service cannot end
        a program says so in the error's text, which goes into the record. The result's id, adapter, policy,
        provenance, explain and times are the host's to fill in. What comes from the guest is untrusted: cap it and
        never let it choose the status.

        Raises:
            AdapterError: the wall failed, not the program.
        """
        ...

    async def reap(self, dead_owners: Sequence[str]) -> int:
        """Remove what hosts that are gone left behind. Returns how many things it removed."""
        ...

    async def aclose(self) -> None:
        """End every run and give everything back. Called once; ``execute`` is not called again."""
        ...


@runtime_checkable
class SessionAdapter(Adapter, Protocol):
    """An adapter that keeps interpreters alive between commands. The languages are its ``session_languages``.

    The host runs one command at a time in a session; many sessions run at the same time.
    """

    async def open(self, session: str, language: str, policy: Policy) -> None:
        """Start an interpreter that lives until ``close`` or its limits.

        Raises:
            AdapterError: it cannot be started; nothing of it is left.
        """
        ...

    async def run(self, session: str, request: ExecutionRequest, policy: Policy, emit: Emit) -> ExecutionResult:
        """Run one command in it, as ``execute`` does.

        A command that fails keeps the session. One that a limit ends may take the process with it: the result says how
        it ended, and ``alive`` is false from then on.

        Raises:
            AdapterError: the wall failed, not the program.
            SessionLost: the interpreter was gone before the command; nothing was run.
        """
        ...

    def alive(self, session: str) -> bool:
        """Whether its interpreter is there to take a command. Cheap; asked before and after each command."""
        ...

    async def close(self, session: str) -> None:
        """End it. Closing what is closed already is no error."""
        ...
