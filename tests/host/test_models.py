"""What comes in and what goes out, in Python and in JSON."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from pydantic import ValidationError

from host.models import ExecutionRequest, ExecutionResult, File, Provenance, new_id
from host.values import Table

CONTRACT = {
    *(
        "id",
        "status",
        "reason",
        "value",
        "value_type",
        "stdout",
        "stderr",
        "truncated",
        "files",
        "displays",
        "exit_code",
    ),
    *("signal", "risks", "may_have_started", "usage", "adapter", "adapter_version", "language", "policy", "provenance"),
    *("started_at", "finished_at", "explain"),
}


def result(**fields):
    return ExecutionResult(id="x", status="succeeded", language="python", policy="strict", **fields)


def test_the_answer_has_every_field_of_the_contract():
    """The JSON of a result carries all that callers were promised."""
    answer = json.loads(result().model_dump_json())
    assert set(answer) >= CONTRACT
    assert set(answer["usage"]) == {"wall_ms", "cpu_ms", "peak_memory_bytes", "output_bytes", "priced"}
    assert set(answer["provenance"]) == {"code_sha256", "inputs_sha256", "outputs_sha256", "policy_sha256"}


def test_a_request_is_read_from_json_with_typed_inputs():
    """Tags in JSON become values; the same request goes out as it came in."""
    body = {
        "code": "x",
        "language": "python",
        "inputs": {"price": {"$type": "decimal", "value": "1.10"}, "$$odd": [1, 2.5]},
        "files": [{"path": "a.csv", "content_base64": "YSxi"}],
        "policy": "data",
        "limits": {"max_execution_time": 2000, "max_memory_mb": 128},
        "adapter": None,
        "session": None,
        "idempotency_key": None,
        "actor": {"id": "agent-1", "type": "voice_agent"},
    }
    request = ExecutionRequest.model_validate_json(json.dumps(body))
    assert request.inputs == {"price": Decimal("1.10"), "$odd": [1, 2.5]}
    assert request.files == (File(path="a.csv", content=b"a,b"),)
    again = json.loads(request.model_dump_json(exclude_unset=True))
    assert {key: again[key] for key in ("inputs", "files", "actor")} == {
        key: body[key] for key in ("inputs", "files", "actor")
    }


def test_in_python_a_tag_is_only_a_map():
    """A Python caller's map is data, whatever its keys are; it is escaped on the wire."""
    request = ExecutionRequest(code="", inputs={"m": {"$type": "decimal"}})
    assert request.inputs == {"m": {"$type": "decimal"}}
    assert request.inputs_wire == b'{"m":{"$$type":"decimal"}}'


@pytest.mark.parametrize(
    "fields",
    [
        {"code": "a\ud800"},
        {"id": ""},
        {"id": "../x"},
        {"id": "a" * 129},
        {"language": "Python 3"},
        {"limits": {"max_memory_mb": 0}},
        {"files": [{"path": "../a", "content_base64": ""}]},
        {"files": [{"path": "/a", "content_base64": ""}]},
        {"files": [{"path": "a\0", "content_base64": ""}]},
        {"files": [{"path": "a", "content_base64": "%%%"}]},
        {"surprise": 1},
    ],
)
def test_what_is_malformed_is_refused(fields):
    """Bad ids, paths, base64, limits, unknown fields and code that is no Unicode never become a request."""
    with pytest.raises(ValidationError):
        ExecutionRequest(**{"code": "1", **fields})


@pytest.mark.parametrize(
    "inputs", ['{"a": {"$type": "nope"}}', '{"$a": 1}', '{"a": {"$type": "decimal", "value": "x"}}', "[1]"]
)
def test_inputs_that_are_not_wire_form_are_refused(inputs):
    """A malformed tag or an unescaped $ key is an error of the request."""
    with pytest.raises(ValidationError):
        ExecutionRequest.model_validate_json('{"code": "1", "inputs": ' + inputs + "}")


def test_a_result_survives_json():
    """A result read back from its JSON is equal, typed value and files included."""
    table = Table(["n", "at"], [[Decimal("1.0"), datetime(2026, 1, 2, tzinfo=UTC)]])
    first = result(
        value=table, files=(File(path="o/p.bin", content=b"\0\xff"),), provenance=Provenance(code_sha256="a")
    )
    document = json.loads(first.model_dump_json())
    assert document.pop("value_type") == "table"
    again = ExecutionResult.model_validate_json(json.dumps(document))
    assert again == first


def test_hashes_tell_inputs_and_files_apart():
    """The same inputs give the same hash, whatever their order; a file changes it."""
    one, two = (ExecutionRequest(code="", inputs=each) for each in ({"a": 1, "b": 2}, {"b": 2, "a": 1}))
    three = ExecutionRequest(code="", inputs={"a": 1, "b": 2}, files=(File(path="f", content=b""),))
    assert one.inputs_sha256 == two.inputs_sha256 != three.inputs_sha256


def test_new_ids_are_uuid7_and_sort_by_time():
    """Ids made one after the other are distinct version 7 UUIDs that begin with the time."""
    ids = [new_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert {UUID(each).version for each in ids} == {7}
    assert [each[:13] for each in ids] == sorted(each[:13] for each in ids)
