"""How a row becomes a record."""

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row

from host.models import Actor, ExecutionResult, File, Provenance, Status, Usage
from host.store.interface import Record, Summary
from host.store.schema import executions

__all__ = ["SUMMARY_COLUMNS", "actor_of", "moment", "record", "summary"]

_PAYLOADS = ("code", "inputs", "files", "result")
SUMMARY_COLUMNS = tuple(column for column in executions.c if column.name not in _PAYLOADS)
"""All but the payloads: what a line of history reads."""


def summary(row: Row[Any]) -> Summary:
    """A line of history."""
    return Summary(
        id=row.id,
        status=Status(row.status) if row.status is not None else None,
        reason=row.reason,
        language=row.language,
        policy=row.policy,
        adapter=row.adapter,
        adapter_version=row.adapter_version,
        actor=actor_of(row),
        session=row.session,
        may_have_started=row.may_have_started,
        exit_code=row.exit_code,
        signal=row.signal,
        usage=Usage(
            wall_ms=row.wall_ms,
            cpu_ms=row.cpu_ms,
            peak_memory_bytes=row.peak_memory_bytes,
            output_bytes=row.output_bytes,
        ),
        provenance=Provenance(
            code_sha256=row.code_sha256,
            inputs_sha256=row.inputs_sha256,
            outputs_sha256=row.outputs_sha256,
            policy_sha256=row.policy_sha256,
        ),
        outputs_kept=row.outputs_kept,
        created_at=moment(row.created_us),
        started_at=moment(row.started_us),
        finished_at=moment(row.finished_us),
    )


def record(row: Row[Any]) -> Record:
    """A whole record, with what was kept."""
    line = summary(row)
    result = ExecutionResult.model_validate_json(row.result) if row.result is not None else _from_summary(line)
    files = tuple(File.model_validate(file) for file in json.loads(row.files)) if row.files is not None else ()
    return Record(
        summary=line,
        result=result,
        owner=row.owner,
        code=row.code.decode("utf-8") if row.code is not None else None,
        inputs_wire=row.inputs,
        files=files,
    )


def _from_summary(line: Summary) -> ExecutionResult | None:
    """The result of an execution whose payload is gone, or was never written because its host died."""
    if line.status is None:
        return None
    shared = {name: getattr(line, name) for name in ExecutionResult.model_fields if name in Summary.model_fields}
    return ExecutionResult(**shared)


def actor_of(row: Row[Any]) -> Actor | None:
    """Who asked, where somebody was named."""
    return Actor(id=row.actor_id, type=row.actor_type) if row.actor_id is not None else None


def moment(micros: int | None) -> Any:
    """Microseconds since 1970 as a time; None stays None."""
    return datetime.fromtimestamp(micros / 1_000_000, UTC) if micros is not None else None
