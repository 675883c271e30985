"""What the store promises: an intent before a run, one record after it, only what the policy lets it keep."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from host.errors import DuplicateExecution, InvalidRequest, StoreError, UnknownExecution
from host.models import Actor, Display, File, Provenance, Risk, Status, Usage
from host.policy import Policy, Retain
from host.store import open_store
from host.values import Table


def everything(state_dir):
    """All bytes that the store has on disk."""
    return b"".join(path.read_bytes() for path in state_dir.glob("understudy.db*"))


async def test_an_execution_comes_back_as_it_was_answered(store, policy, request_of, result_of):
    """Every field of the result, with typed values, survives the store; beside it stands who asked and when."""
    request = request_of(actor=Actor(id="agent-1", type="voice_agent"))
    result = result_of(
        request,
        "failed",
        reason="ValueError: no",
        value={"price": Decimal("1.10"), "rows": Table(["a"], [[1]])},
        stdout="out\n",
        stderr="err\n",
        truncated=True,
        files=(File(path="a.csv", content=b"\x00\xff"),),
        displays=(Display(data={"text/plain": "x", "image/png": "AAAA"}, title="a dot", width_px=1),),
        exit_code=3,
        signal="SIGTERM",
        risks=(Risk(rule="r", severity="info", line=1, column=2, message="m"),),
        may_have_started=True,
        usage=Usage(wall_ms=1.5, cpu_ms=0.5, peak_memory_bytes=2**40, output_bytes=7),
        adapter="sandbox",
        adapter_version="0.8",
        provenance=Provenance(outputs_sha256="0" * 64, policy_sha256=policy.sha256),
        started_at=datetime(2026, 11, 21, 1, 2, 3, 456789, tzinfo=UTC),
        finished_at=datetime(2026, 11, 21, 1, 2, 4, tzinfo=UTC),
    )
    await store.begin(request, policy, owner="me", adapter="sandbox", adapter_version="0.8")
    assert await store.finish(request, policy, result)
    record = await store.get(request.id)
    assert record.result == result
    assert record.summary.actor == request.actor
    assert record.summary.usage == result.usage
    assert record.summary.started_at == result.started_at
    assert record.summary.provenance.code_sha256 == request.code_sha256
    assert record.summary.provenance.outputs_sha256 == "0" * 64
    assert (record.owner, record.code) == ("me", "1 + 1")


async def test_while_it_runs_there_is_an_intent_without_status(store, policy, request_of):
    """Between begin and finish the record says who runs what where, and that nothing is known of its end."""
    request = request_of()
    await store.begin(request, policy, owner="me", adapter="monty", adapter_version="1")
    record = await store.get(request.id)
    assert record.result is None
    assert record.summary.status is None
    assert (record.summary.adapter, record.summary.may_have_started) == ("monty", True)


async def test_an_id_is_taken_once(store, policy, request_of, result_of):
    """A second begin or record with the id is refused and changes nothing, whether the first has ended or not."""
    request = request_of(id="mine")
    await store.begin(request, policy, owner="me")
    again = request_of("2 + 2", id="mine")
    with pytest.raises(DuplicateExecution):
        await store.begin(again, policy, owner="me")
    await store.finish(request, policy, result_of(request, value=2))
    with pytest.raises(DuplicateExecution):
        await store.record(again, policy, result_of(again, "denied"), owner="me")
    record = await store.get("mine")
    assert (record.code, record.result.value) == ("1 + 1", 2)


async def test_the_first_final_record_stays(store, policy, request_of, result_of):
    """A second finish says False and does not overwrite."""
    request = request_of()
    await store.begin(request, policy, owner="me")
    assert await store.finish(request, policy, result_of(request, "cancelled"))
    assert not await store.finish(request, policy, result_of(request, "succeeded", value=1))
    assert (await store.get(request.id)).summary.status is Status.CANCELLED


async def test_what_did_not_run_is_one_row(store, policy, request_of, result_of):
    """A denial is recorded at once, and did not start."""
    request = request_of()
    await store.record(request, policy, result_of(request, "denied", reason="No."), owner="me")
    line = (await store.get(request.id)).summary
    assert (line.status, line.reason, line.may_have_started) == (Status.DENIED, "No.", False)


async def test_an_unknown_id_is_said_to_be_unknown(store):
    """Looking up what never was raises UnknownExecution."""
    with pytest.raises(UnknownExecution, match="'nobody'"):
        await store.get("nobody")


async def test_what_is_not_retained_is_not_stored(store, state_dir, request_of, result_of):
    """With retention off, no byte of code, inputs, files or outputs is on disk; hashes are."""
    policy = Policy(name="quiet", retain=Retain(code=False, inputs=False, outputs=False))
    request = request_of(
        "raise Error('SECRETCODE')", inputs={"k": "SECRETINPUT"}, files=(File(path="f", content=b"SECRETFILE"),)
    )
    risk = Risk(rule="import", severity="warn", line=1, column=1, message="SECRETCODE is odd", remedy="drop SECRETCODE")
    result = result_of(
        request,
        "failed",
        reason="Error: SECRETCODE",
        value="SECRETVALUE",
        stdout="SECRETOUT",
        stderr="SECRETERR",
        files=(File(path="SECRETNAME", content=b"SECRETDATA"),),
        displays=(Display(data={"text/plain": "SECRETSHOWN"}, title="SECRETTITLE"),),
        risks=(risk,),
    )
    await store.begin(request, policy, owner="me")
    await store.finish(request, policy, result)
    assert b"SECRET" not in everything(state_dir)
    record = await store.get(request.id)
    assert record.summary.provenance.code_sha256 == request.code_sha256
    assert record.summary.provenance.inputs_sha256 == request.inputs_sha256
    assert not record.summary.outputs_kept
    assert record.code is None
    assert record.inputs_wire is None
    assert record.result.risks[0].rule == "import"


async def test_inputs_and_files_are_kept_where_the_policy_says_so(store, request_of, result_of):
    """With retain.inputs, the wire form and the files come back."""
    policy = Policy(name="open", retain=Retain(inputs=True))
    request = request_of(inputs={"price": Decimal("1.10")}, files=(File(path="a", content=b"\xff"),))
    await store.begin(request, policy, owner="me")
    record = await store.get(request.id)
    assert record.inputs_wire == request.inputs_wire
    assert record.files == request.files


async def test_an_end_is_recorded_even_if_its_output_cannot_be(store, policy, request_of, result_of):
    """A result that has no JSON (a lone surrogate in stdout) still gives the execution its end."""
    request = request_of()
    await store.begin(request, policy, owner="me")
    assert await store.finish(request, policy, result_of(request, "failed", stdout="\ud800"))
    line = (await store.get(request.id)).summary
    assert (line.status, line.outputs_kept) == (Status.FAILED, False)


async def test_history_is_newest_first_and_pages_without_gap_or_repeat(store, policy, request_of, result_of):
    """Following `next` lists every execution once, in order, however small the page."""
    ids = []
    for number in range(7):
        request = request_of(id=f"r{number}")
        await store.record(request, policy, result_of(request, "denied"), owner="me")
        ids.append(request.id)
    seen, before = [], None
    while True:
        page = await store.list(limit=3, before=before)
        seen += [each.id for each in page.executions]
        if page.next is None:
            break
        before = page.next
    assert seen == ids[::-1]


async def test_history_can_be_narrowed(store, policy, request_of, result_of):
    """By status, language, adapter and actor, each alone and all together."""
    for number, (language, adapter, actor, status) in enumerate(
        [("python", "a", "x", "succeeded"), ("sql", "a", "y", "failed"), ("sql", "b", "x", "succeeded")]
    ):
        request = request_of(id=f"r{number}", language=language, actor=Actor(id=actor))
        await store.begin(request, policy, owner="me", adapter=adapter)
        await store.finish(request, policy, result_of(request, status, adapter=adapter))

    async def ids(**wanted):
        return [each.id for each in (await store.list(**wanted)).executions]

    assert await ids(status=Status.SUCCEEDED) == ["r2", "r0"]
    assert await ids(language="sql") == ["r2", "r1"]
    assert await ids(adapter="a") == ["r1", "r0"]
    assert await ids(actor="x") == ["r2", "r0"]
    assert await ids(actor="x", language="sql", adapter="b", status=Status.SUCCEEDED) == ["r2"]
    assert await ids(actor="nobody") == []


async def test_a_page_has_a_size_and_a_beginning(store):
    """A size out of range and a `before` that never was are refused."""
    for limit in (0, 501):
        with pytest.raises(InvalidRequest, match=str(limit)):
            await store.list(limit=limit)
    with pytest.raises(UnknownExecution):
        await store.list(before="nobody")


async def test_callers_that_wait_together_are_committed_together(store, state_dir, policy, request_of, result_of):
    """Hundreds of executions at once all end durable and each exactly once, in far fewer transactions than writes."""
    requests = [request_of(id=f"r{number}") for number in range(300)]

    async def one(request):
        await store.begin(request, policy, owner="me")
        assert await store.finish(request, policy, result_of(request))

    await asyncio.gather(*map(one, requests))
    with closing(sqlite3.connect(state_dir / "understudy.db")) as other, other:
        assert other.execute("SELECT count(*) FROM executions WHERE status = 'succeeded'").fetchone() == (300,)


async def test_one_bad_write_does_not_take_its_neighbours_along(store, policy, request_of, result_of):
    """Where one of several writes that are committed together cannot be made, the others are made all the same."""
    good = [request_of(id=f"good{number}") for number in range(5)]
    bad = request_of(id="bad")
    await store.begin(bad, policy, owner="me")
    too_large = result_of(bad, usage=Usage(peak_memory_bytes=2**70))
    outcomes = await asyncio.gather(
        *(store.begin(each, policy, owner="me") for each in good[:2]),
        store.finish(bad, policy, too_large),
        *(store.begin(each, policy, owner="me") for each in good[2:]),
        return_exceptions=True,
    )
    assert [isinstance(each, StoreError) for each in outcomes] == [False, False, True, False, False, False]
    for each in good:
        assert (await store.get(each.id)).summary.status is None


async def test_a_cancelled_begin_leaves_a_row_that_wants_an_end(store, policy, request_of, result_of):
    """When CancelledError leaves begin, the row is written, so that the caller can finish it."""
    request = request_of("#" * 100_000)  # too long to be written in place, so that there is a wait to be cancelled
    begin = asyncio.create_task(store.begin(request, policy, owner="me"))
    await asyncio.sleep(0)
    begin.cancel()
    with pytest.raises(asyncio.CancelledError):
        await begin
    assert await store.finish(request, policy, result_of(request, "cancelled"))


async def test_a_cancelled_begin_of_a_taken_id_says_so(store, policy, request_of):
    """It raises DuplicateExecution and not CancelledError: otherwise its caller would end the other's execution."""
    request = request_of(id="mine")
    await store.begin(request, policy, owner="me")
    begin = asyncio.create_task(store.begin(request, policy, owner="me"))
    await asyncio.sleep(0)
    begin.cancel()
    with pytest.raises((DuplicateExecution, asyncio.CancelledError)) as raised:
        await begin
    assert raised.type is DuplicateExecution


async def test_purge_empties_what_is_over_and_keeps_the_hashes(store, state_dir, request_of, result_of):
    """Payloads go when the policy's days are over, from the file too; what still runs and what is young stays."""
    policy = Policy(name="strict", retain=Retain(days=1, inputs=True))
    old, young, running = (request_of(f"SECRET{name}", id=name) for name in ("old", "young", "running"))
    for request in (old, young, running):
        await store.begin(request, policy, owner="me")
    await store.finish(old, policy, result_of(old, "failed", reason="SECRETold", stdout="SECRETold"))
    await store.finish(young, policy, result_of(young))
    yesterday = int((datetime.now(UTC) - timedelta(days=2)).timestamp() * 1_000_000)
    with closing(sqlite3.connect(state_dir / "understudy.db")) as other, other:
        other.execute("UPDATE executions SET retain_until_us = ? WHERE id IN ('old', 'running')", (yesterday,))
    assert await store.purge() == 1
    record = await store.get("old")
    assert (record.code, record.inputs_wire, record.result.stdout, record.result.reason) == (None, None, "", "")
    assert record.summary.provenance.code_sha256 == old.code_sha256
    assert (await store.get("young")).code == "SECRETyoung"
    assert (await store.get("running")).code == "SECRETrunning"
    assert await store.purge() == 0


async def test_records_go_when_their_days_are_over(state_dir, policy, request_of, result_of):
    """With retain_days, purge removes whole records; without, none."""
    for retain_days, left in ((0, ["a"]), (30, [])):
        store = await open_store(state_dir=state_dir / str(retain_days), retain_days=retain_days)
        request = request_of(id="a")
        await store.record(request, policy, result_of(request), owner="me")
        with closing(sqlite3.connect(state_dir / str(retain_days) / "understudy.db")) as other, other:
            other.execute("UPDATE executions SET created_us = created_us - 31 * 86400000000")
        await store.purge()
        assert [each.id for each in (await store.list()).executions] == left
        await store.aclose()


async def test_a_closed_store_says_so(store, policy, request_of):
    """Writing and reading after aclose raise StoreError, and closing twice is no error."""
    await store.aclose()
    await store.aclose()
    with pytest.raises(StoreError, match="closed"):
        await store.begin(request_of(), policy, owner="me")
    with pytest.raises(StoreError, match="closed"):
        await store.get("x")


async def test_what_waits_is_written_before_the_store_closes(state_dir, policy, request_of):
    """Closing lets every write that was asked for reach the disk."""
    store = await open_store(state_dir=state_dir)
    requests = [request_of(id=f"r{number}") for number in range(20)]
    writes = [asyncio.create_task(store.begin(each, policy, owner="me")) for each in requests]
    await asyncio.sleep(0)
    await store.aclose()
    await asyncio.gather(*writes)
    again = await open_store(state_dir=state_dir)
    assert len((await again.list()).executions) == 20
    await again.aclose()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ends=st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.sampled_from(["begin", "finish", "record"]),
            st.sampled_from(["failed", "killed"]),
        ),
        max_size=12,
    )
)
async def test_any_order_of_calls_gives_one_final_record(tmp_path_factory, ends):
    """Whatever is called how often and in which order: an id begins once, and keeps the first end that it got."""
    from host.models import ExecutionRequest, ExecutionResult

    store = await open_store(state_dir=tmp_path_factory.mktemp("law"))
    policy, law = Policy(name="strict"), {}
    for name, call, status in ends:
        request = ExecutionRequest(code="1", id=name)
        result = ExecutionResult(id=name, status=status, language="python", policy="strict")
        if call == "finish":
            assert await store.finish(request, policy, result) == (law.get(name, "") is None)
            if name in law:
                law[name] = law[name] or status
            continue
        taken = name in law
        try:
            if call == "begin":
                await store.begin(request, policy, owner="me")
                law[name] = None
            else:
                await store.record(request, policy, result, owner="me")
                law[name] = status
        except DuplicateExecution:
            assert taken
        else:
            assert not taken
    found = {each.id: each.status and each.status.value for each in (await store.list()).executions}
    assert found == law
    await store.aclose()
