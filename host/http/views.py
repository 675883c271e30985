"""What the service answers with, beside the models that the host has already."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from host.host import Host
from host.interface import Finding
from host.models import Actor, ExecutionResult, File, Status, checked_id, new_id
from host.policy import AtLeastOne, Enforcement, Limits, Policy
from host.sessions import SessionInfo
from host.store.interface import Record, Summary

__all__ = [
    "AdapterView",
    "BrokenPluginView",
    "CheckView",
    "ExecutionPage",
    "ExecutionView",
    "HealthView",
    "LanguageView",
    "LiveView",
    "PluginView",
    "PluginsView",
    "PolicyView",
    "ReadyView",
    "RenewalRequest",
    "SessionRequest",
    "SessionsView",
    "TheHost",
    "ValidationRequest",
]


async def _host_of(request: Request) -> Host:  # a coroutine: FastAPI runs plain functions in a thread
    host: Host = request.app.state.host
    return host


TheHost = Annotated[Host, Depends(_host_of)]
"""The parameter through which a route gets the host."""


class _View(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ExecutionView(ExecutionResult):
    """The record of an execution: the answer that its caller got, who asked, and what the policy let the store keep."""

    status: Status | None = Field(description="null while it runs")  # type: ignore[assignment]
    actor: Actor | None = Field(default=None, description="who asked")
    created_at: datetime
    outputs_kept: bool = Field(
        description="false where value, stdout, stderr, files and displays are not in the record"
    )
    code: str | None = Field(default=None, description="null where the policy does not keep it")
    inputs: Any = Field(default=None, description="in wire form; null where the policy does not keep them")
    input_files: tuple[File, ...] = ()

    @classmethod
    def of(cls, record: Record) -> "ExecutionView":
        """The view of a record. Its parts were validated when they were read."""
        line = record.summary
        if record.result is not None:
            shared = {name: getattr(record.result, name) for name in ExecutionResult.model_fields}
        else:
            names = ExecutionResult.model_fields.keys() & Summary.model_fields.keys()
            shared = {name: getattr(line, name) for name in names}
        return cls.model_construct(
            **shared,
            actor=line.actor,
            created_at=line.created_at,
            outputs_kept=line.outputs_kept,
            code=record.code,
            inputs=None if record.inputs_wire is None else json.loads(record.inputs_wire),
            input_files=record.files,
        )


class ExecutionPage(_View):
    """Some executions, newest first."""

    executions: tuple[Summary, ...]
    next: str | None = Field(description="send it as `before` for the older ones; null at the end")


class ValidationRequest(_View):
    """Code to be judged without being run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: str
    language: str = "python"
    policy: str | None = None


class SessionRequest(_View):
    """A session to be opened."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    language: str = "python"
    policy: str | None = None
    limits: Limits = Limits()
    adapter: str | None = None
    idle_ms: AtLeastOne | None = Field(default=None, description="how long it may stand idle, in ms")
    lifetime_ms: AtLeastOne | None = Field(default=None, description="how long it may live in all, in ms")
    actor: Actor | None = None
    id: Annotated[str, AfterValidator(checked_id)] = Field(default_factory=new_id)


class RenewalRequest(_View):
    """Other times for a session; null leaves one as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    idle_ms: AtLeastOne | None = Field(default=None, description="how long it may stand idle from now on, in ms")
    lifetime_ms: AtLeastOne | None = Field(default=None, description="how long it may live since its opening, in ms")


class SessionsView(_View):
    """The sessions of this host."""

    sessions: tuple[SessionInfo, ...]


class CheckView(_View):
    """What readiness last saw of an adapter."""

    adapter: str
    ok: bool
    reason: str
    remedy: str


class AdapterView(_View):
    """An adapter: whether it serves, why not, and what it can do."""

    name: str
    summary: str
    ready: bool
    serving: bool = Field(description="it stands on the switchboard")
    reason: str
    remedy: str
    version: str | None = Field(default=None, description="null where it is not in use")
    runs_code: bool = False
    remote: bool = Field(default=False, description="code leaves this machine")
    priced: bool = Field(default=False, description="a run costs money")
    files: bool = False
    session_languages: tuple[str, ...] = Field(default=(), description="languages of which it keeps sessions")
    streaming: bool = False
    languages: tuple[str, ...] = ()
    enforcement: Mapping[str, Enforcement] = Field(default={}, description="how each policy field is upheld")
    enforcement_by_language: Mapping[str, Mapping[str, Enforcement]] = Field(default={}, description="what differs")
    findings: tuple[Finding, ...] = Field(default=(), description="what its last check looked at")


class PolicyView(Policy):
    """A policy with its hash."""

    default: bool = Field(description="it applies where a request names none")
    policy_sha256: str


class LanguageView(_View):
    """A language that a request may name."""

    name: str
    extensions: tuple[str, ...]
    aliases: tuple[str, ...]
    adapters: tuple[str, ...] = Field(description="those that serve now and speak it, first choice first")


class PluginView(_View):
    """A plugin in use."""

    name: str
    distribution: str
    version: str
    hooks: tuple[str, ...]


class BrokenPluginView(_View):
    """A plugin, or one of its contributions, that was dropped."""

    name: str
    distribution: str
    version: str
    reason: str


class PluginsView(_View):
    """Every plugin."""

    loaded: tuple[PluginView, ...]
    broken: tuple[BrokenPluginView, ...]


class LiveView(_View):
    """The process answers."""

    status: str


class ReadyView(_View):
    """Whether requests are answered, and by what."""

    ready: bool
    runs_code: bool = Field(description="false while only a stand-in serves")
    serving: tuple[str, ...] = Field(description="adapters, first choice first")
    checks: tuple[CheckView, ...]


class HealthView(_View):
    """The service in one look."""

    status: str = Field(description="ok, degraded (no adapter that runs code, or a broken plugin) or closing")
    version: str
    uptime_s: float
    running: int = Field(description="executions that run now")
    runs_code: bool
    serving: tuple[str, ...]
    broken_plugins: int
