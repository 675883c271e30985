"""The statements of the hot path, compiled once, and how an execution becomes a row.

A compiled statement is the driver's own SQL, so that a write costs no more than binding its values.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic_core import PydanticSerializationError
from sqlalchemy import Connection, Dialect, bindparam, insert, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import ClauseElement

from host.errors import UnderstudyError
from host.models import ExecutionRequest, ExecutionResult, Status
from host.policy import Policy
from host.store.schema import executions, owners
from host.values import ValueFormatError

__all__ = ["DAY_US", "RowWrite", "Statement", "Statements", "closing_row", "instant_us", "opening_row"]

DAY_US = 86_400_000_000
_OPENING = (
    *("id", "owner", "actor_id", "actor_type", "language", "policy", "adapter", "adapter_version", "reason"),
    *("code_sha256", "inputs_sha256", "outputs_sha256", "policy_sha256", "code", "inputs", "files"),
    *("outputs_kept", "may_have_started", "created_us", "retain_until_us", "session"),
)
_CLOSING = (
    *(
        "status",
        "reason",
        "adapter",
        "adapter_version",
        "outputs_sha256",
        "policy_sha256",
        "result",
        "outputs_kept",
        "may_have_started",
    ),
    *("exit_code", "signal", "wall_ms", "cpu_ms", "peak_memory_bytes", "output_bytes", "started_us", "finished_us"),
)
_LONGEST_REASON = 4000
_DERIVED = {"value_type"}  # follows from the value, so it is not read back
_NO_OUTPUTS: Mapping[str, Any] = {"value": None, "stdout": "", "stderr": "", "files": (), "displays": ()}


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement as the driver takes it; ``names`` orders its values, or is None where the driver takes them by
    name.
    """

    sql: str
    names: tuple[str, ...] | None

    def values(self, row: Mapping[str, Any]) -> Mapping[str, Any] | tuple[Any, ...]:
        """The row as the driver takes it."""
        return dict(row) if self.names is None else tuple([row[name] for name in self.names])


@dataclass(frozen=True, slots=True)
class RowWrite:
    """One row for one statement: a ``Write`` for the writer's thread, which is short enough to be made in place too.

    It gives the number of rows that it touched, or the error that ``refusal`` makes where that is none.
    """

    statement: Statement
    values: Mapping[str, Any] | tuple[Any, ...]
    refusal: Callable[[], UnderstudyError] | None = None

    def __call__(self, connection: Connection) -> int | UnderstudyError:
        return self._outcome(connection.exec_driver_sql(self.statement.sql, self.values).rowcount)

    def in_place(self, connection: sqlite3.Connection) -> int | UnderstudyError:
        """The same on a connection of the driver's own."""
        return self._outcome(connection.execute(self.statement.sql, self.values).rowcount)

    def size(self) -> int:
        """About how many bytes it writes."""
        values = self.values.values() if isinstance(self.values, Mapping) else self.values
        return sum([len(value) for value in values if type(value) is str or type(value) is bytes])

    def _outcome(self, count: int) -> int | UnderstudyError:
        return self.refusal() if count == 0 and self.refusal is not None else count


class Statements:
    """The compiled statements for one database."""

    def __init__(self, dialect: Dialect) -> None:
        insert_unless_there = postgresql.insert if dialect.name == "postgresql" else sqlite.insert
        opening: dict[str, Any] = {name: bindparam(name) for name in _OPENING}
        closing: dict[str, Any] = {name: bindparam(name) for name in _CLOSING}
        table = executions.c
        self.begin = _compile(insert_unless_there(executions).values(opening).on_conflict_do_nothing(), dialect)
        self.record = _compile(
            insert_unless_there(executions).values(opening | closing).on_conflict_do_nothing(), dialect
        )
        self.finish = _compile(
            update(executions).where(table.id == bindparam("execution"), table.status.is_(None)).values(closing),
            dialect,
        )
        self.register = _compile(insert(owners), dialect)


def _compile(statement: ClauseElement, dialect: Dialect) -> Statement:
    compiled: Any = statement.compile(dialect=dialect)
    return Statement(str(compiled), tuple(compiled.positiontup) if compiled.positional else None)


def instant_us(moment: datetime | None) -> int | None:
    """Microseconds since 1970. A time without a zone counts as UTC."""
    if moment is None:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1_000_000)


def opening_row(
    request: ExecutionRequest,
    policy: Policy,
    *,
    now_us: int,
    owner: str,
    adapter: str | None,
    adapter_version: str | None,
) -> dict[str, Any]:
    """What is known when an execution begins."""
    retain, actor = policy.retain, request.actor
    files = [file.model_dump(mode="json") for file in request.files] if retain.inputs else []
    return {
        "id": request.id,
        "owner": owner,
        "actor_id": actor.id if actor else None,
        "actor_type": actor.type if actor else None,
        "language": request.language,
        "policy": policy.name,
        "adapter": adapter,
        "adapter_version": adapter_version,
        "reason": "",
        "code_sha256": request.code_sha256,
        "inputs_sha256": request.inputs_sha256,
        "outputs_sha256": "",
        "policy_sha256": policy.sha256,
        "code": request.code_bytes if retain.code else None,
        "inputs": request.inputs_wire if retain.inputs else None,
        "files": json.dumps(files).encode() if files else None,
        "outputs_kept": False,
        "may_have_started": True,  # true of every run whose end nobody saw
        "created_us": now_us,
        "retain_until_us": now_us + retain.days * DAY_US,
        "session": request.session,
    }


def closing_row(policy: Policy, result: ExecutionResult, *, now_us: int) -> dict[str, Any]:
    """What is known when it has ended, without what the policy does not let the store keep."""
    reason, payload, outputs_kept = _kept(policy, result)
    usage = result.usage
    return {
        "status": result.status.value,
        "reason": reason[:_LONGEST_REASON],
        "adapter": result.adapter,
        "adapter_version": result.adapter_version,
        "outputs_sha256": result.provenance.outputs_sha256,
        "policy_sha256": result.provenance.policy_sha256 or policy.sha256,
        "result": payload,
        "outputs_kept": outputs_kept,
        "may_have_started": result.may_have_started,
        "exit_code": result.exit_code,
        "signal": result.signal,
        "wall_ms": usage.wall_ms,
        "cpu_ms": usage.cpu_ms,
        "peak_memory_bytes": usage.peak_memory_bytes,
        "output_bytes": usage.output_bytes,
        "started_us": instant_us(result.started_at),
        "finished_us": instant_us(result.finished_at) or now_us,
    }


def _kept(policy: Policy, result: ExecutionResult) -> tuple[str, bytes, bool]:
    """What the policy lets the store keep of a result: the reason, the JSON, and whether outputs are in it."""
    changes: dict[str, Any] = {}
    if not policy.retain.outputs:
        changes = dict(_NO_OUTPUTS)
        if result.status is Status.FAILED:  # its reason is what the program's own exception said
            changes["reason"] = f"The program failed; policy {policy.name} keeps no outputs."
    if not policy.retain.code and result.risks:  # a risk quotes the code, and so does the reason drawn from it
        rules = ", ".join(sorted({risk.rule for risk in result.risks}))
        changes["risks"] = tuple(risk.model_copy(update={"message": "", "remedy": ""}) for risk in result.risks)
        if result.status in (Status.DENIED, Status.FAILED):
            changes["reason"] = f"Not run, by {rules}; policy {policy.name} keeps no code."
    kept = result.model_copy(update=changes) if changes else result
    try:
        return kept.reason, kept.model_dump_json(exclude=_DERIVED).encode(), policy.retain.outputs
    except (PydanticSerializationError, ValueFormatError, UnicodeEncodeError):
        # An adapter let through what has no JSON. The end of a run is worth more than its output.
        kept = result.model_copy(update={**_NO_OUTPUTS, "reason": ""})
        return "", kept.model_dump_json(exclude=_DERIVED).encode(), False
