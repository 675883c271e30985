"""The path of a request: every end is one recorded result, and nothing runs that should not."""

import asyncio
from types import SimpleNamespace

import pytest

from host.dispatch import Dispatcher
from host.errors import (
    AdapterError,
    DuplicateExecution,
    NothingCanServe,
    NotSupportedYet,
    UnknownLanguage,
    UnknownPolicy,
    UnknownSession,
    WidenedLimits,
)
from host.hookspecs import hookimpl
from host.interface import Capabilities, OutputEvent, Refusal, discard
from host.models import ExecutionRequest, ExecutionResult, Risk, Severity, Status, Verdict
from host.plugins import Plugins
from host.policy import ENFORCED_FIELDS, Enforcement, Limits, Policy
from host.registry import Registry
from host.sessions import Sessions
from host.settings import SessionSettings
from host.store import open_store
from host.switchboard import Switchboard

SAFE = Verdict(verdict="safe")


class Scripted:
    """An adapter that does what the test's coroutine does."""

    def __init__(self, script=None, name="scripted", **capabilities):
        self.name = name
        self.runs = 0
        self._script = script
        self._capabilities = Capabilities(
            version="7",
            languages=("python",),
            enforcement=dict.fromkeys(ENFORCED_FIELDS, Enforcement.WALL),
            **capabilities,
        )

    def capabilities(self):
        return self._capabilities

    def accepts(self, request, policy):
        return None

    async def execute(self, request, policy, emit):
        self.runs += 1
        if self._script is None:
            return ended(request, "succeeded", value=42)
        return await self._script(request, policy, emit)


def ended(request, status, **fields):
    """A result as an adapter reports it."""
    return ExecutionResult(id=request.id, status=status, language=request.language, policy="?", **fields)


@pytest.fixture
async def dispatcher(tmp_path):
    """Makes dispatchers on a real store, with the given adapters and hooks."""
    store = await open_store(state_dir=tmp_path)

    def make(*adapters, verdict=SAFE, **hooks):
        plugins = Plugins()
        implementations = {"validate_code": lambda code: verdict, **hooks}
        plugin = SimpleNamespace(**{name: hookimpl(function) for name, function in implementations.items()})
        plugins.load("test", lambda: plugin, "", "")
        assert not plugins.broken
        registry = Registry()
        for adapter in adapters:
            registry.add(adapter)
        switchboard = Switchboard(lambda *change: None)
        switchboard.replace([adapter.name for adapter in adapters], "start")
        policies = {"open": Policy(name="open", max_execution_time=1000)}
        names = {"python": "python", "py": "python", "bash": "bash"}
        settings = SessionSettings()
        sessions = Sessions(settings, registry, switchboard, {}, plugins, store, "owner-1", None, None)
        made = Dispatcher(plugins, policies, "open", registry, switchboard, {}, store, "owner-1", names, sessions)
        made.store = store
        return made

    yield make
    await store.aclose()


async def recorded(dispatcher, result):
    """The stored summary of a result."""
    return (await dispatcher.store.get(result.id)).summary


async def test_a_run_is_completed_sealed_and_recorded(dispatcher):
    """What only the host may say is put in: adapter, version, policy, hashes, times, explain; and the record agrees."""
    host = dispatcher(Scripted())
    result = await host.execute(ExecutionRequest(code="6 * 7", language="py", inputs={"a": 1}), discard)
    assert (result.status, result.value, result.adapter, result.adapter_version) == ("succeeded", 42, "scripted", "7")
    assert (result.language, result.policy) == ("python", "open")
    assert all(len(digest) == 64 for digest in result.provenance.model_dump().values())
    assert result.started_at <= result.finished_at
    assert [each.adapter for each in result.explain] == ["scripted"]
    assert result.usage.wall_ms >= 0
    assert host.running == {}
    summary = await recorded(host, result)
    assert (summary.status, summary.provenance) == ("succeeded", result.provenance)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"language": "cobol"}, UnknownLanguage),
        ({"policy": "none-such"}, UnknownPolicy),
        ({"limits": Limits(max_memory_mb=4096)}, WidenedLimits),
        ({"session": "s"}, UnknownSession),
        ({"idempotency_key": "k"}, NotSupportedYet),
    ],
)
async def test_what_cannot_be_a_request_is_an_error_and_leaves_no_record(dispatcher, fields, error):
    """A request that never became an execution raises, and nothing is run or written."""
    adapter = Scripted()
    host = dispatcher(adapter)
    with pytest.raises(error):
        await host.execute(ExecutionRequest(code="1", **fields), discard)
    assert adapter.runs == 0
    assert (await host.store.list()).executions == ()


async def test_a_policy_check_denies_before_validation(dispatcher):
    """A refusal is a recorded denied result with reason and remedy, and nothing has run."""
    adapter = Scripted()
    no = Refusal(rule="night", reason="Not at night.", remedy="Come back in the morning.")
    host = dispatcher(adapter, check_policy=lambda request: no, validate_code=lambda code: 1 / 0)
    result = await host.execute(ExecutionRequest(code="1"), discard)
    assert (result.status, result.reason) == ("denied", "Not at night. Come back in the morning.")
    assert result.risks[0].rule == "night"
    assert adapter.runs == 0
    assert (await recorded(host, result)).status == "denied"


async def test_code_that_cannot_be_parsed_is_the_programs_own_failure(dispatcher):
    """A syntax error is failed, not denied, and says where."""
    error = Risk(rule="syntax-error", severity=Severity.DENY, line=3, column=5, message="invalid syntax.")
    adapter = Scripted()
    result = await dispatcher(adapter, verdict=Verdict(verdict="safe", error=error)).execute(
        ExecutionRequest(code="1"), discard
    )
    assert (result.status, result.reason) == ("failed", "invalid syntax. (line 3, column 5)")
    assert (adapter.runs, result.may_have_started) == (0, False)


async def test_a_validation_that_raises_denies(dispatcher):
    """Validation fails closed."""
    adapter = Scripted()
    result = await dispatcher(adapter, validate_code=lambda code: 1 / 0).execute(ExecutionRequest(code="1"), discard)
    assert (result.status, adapter.runs) == ("denied", 0)
    assert "ZeroDivisionError" in result.reason


async def test_an_adapter_error_ends_as_a_recorded_result(dispatcher):
    """The wall failing is adapter_failed; losing sight of the run is interrupted; partial output is kept in both."""
    for lost, status in ((False, "adapter_failed"), (True, "interrupted")):

        async def fails(request, policy, emit, lost=lost):
            emit(OutputEvent("stdout", "so far"))
            raise AdapterError("the engine went away.", remedy="Start it.", lost=lost)

        host = dispatcher(Scripted(fails))
        result = await host.execute(ExecutionRequest(code="1"), discard)
        assert (result.status, result.stdout, result.may_have_started) == (status, "so far", True)
        assert result.reason == "the engine went away. Start it."
        assert (await recorded(host, result)).status == status


@pytest.mark.parametrize("answer", [None, "text", "denied", "interrupted"])
async def test_an_adapter_that_breaks_the_contract_has_failed(dispatcher, answer):
    """An exception, something that is no result, or a status that only the host may give: adapter_failed."""

    async def script(request, policy, emit):
        if answer is None:
            raise RuntimeError("boom")
        return "text" if answer == "text" else ended(request, answer)

    result = await dispatcher(Scripted(script)).execute(ExecutionRequest(code="1"), discard)
    assert result.status == "adapter_failed"
    assert "scripted" in result.reason


async def test_an_id_is_used_once(dispatcher):
    """The second use of an id raises, and the program does not run again."""
    adapter = Scripted()
    host = dispatcher(adapter)
    request = ExecutionRequest(code="1", id="mine")
    await host.execute(request, discard)
    with pytest.raises(DuplicateExecution):
        await host.execute(request, discard)
    assert adapter.runs == 1
    assert host.running == {}


async def test_the_intent_is_written_before_the_program_starts(dispatcher):
    """When the adapter is called, the record is already there, without an end."""
    seen = []

    async def script(request, policy, emit):
        seen.append((await host.store.get(request.id)).summary.status)
        return ended(request, "succeeded")

    host = dispatcher(Scripted(script))
    await host.execute(ExecutionRequest(code="1"), discard)
    assert seen == [None]


def hanging(began, ended_cleanly):
    """A script that runs until it is cancelled."""

    async def script(request, policy, emit):
        emit(OutputEvent("stdout", "partial"))
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended_cleanly.set()

    return script


async def test_cancel_stops_the_run_records_it_and_only_then_returns(dispatcher):
    """After cancel() the adapter has ended and is recorded so, and the caller has the result with partial output."""
    began, stopped = asyncio.Event(), asyncio.Event()
    host = dispatcher(Scripted(hanging(began, stopped)))
    call = asyncio.create_task(host.execute(ExecutionRequest(code="1", id="x"), discard))
    await began.wait()
    assert await host.cancel("x", "Barge-in.") is True
    assert stopped.is_set()
    result = await call
    assert (result.status, result.reason, result.stdout) == ("cancelled", "Barge-in.", "partial")
    assert (await recorded(host, result)).status == "cancelled"
    assert await host.cancel("x", "again") is False


async def test_a_caller_that_is_cancelled_leaves_a_record(dispatcher):
    """When the caller's own task is cancelled the run is stopped and recorded before CancelledError goes on."""
    began, stopped = asyncio.Event(), asyncio.Event()
    host = dispatcher(Scripted(hanging(began, stopped)))
    call = asyncio.create_task(host.execute(ExecutionRequest(code="1", id="x"), discard))
    await began.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert stopped.is_set()
    assert (await host.store.get("x")).summary.status == "cancelled"


async def test_the_host_ends_an_adapter_that_does_not_hold_its_deadline(dispatcher, monkeypatch):
    """Past policy time and the backstop the host ends the run itself: timed_out, partial output kept."""
    monkeypatch.setattr("host.running._BACKSTOP_MS", -990)
    began, stopped = asyncio.Event(), asyncio.Event()
    host = dispatcher(Scripted(hanging(began, stopped)))
    result = await host.execute(ExecutionRequest(code="1"), discard)
    assert (result.status, result.stdout) == ("timed_out", "partial")
    assert stopped.is_set()


async def test_a_named_adapter_that_cannot_serve_is_denied(dispatcher):
    """Naming an adapter never weakens the policy: denied, recorded, with the reason."""
    weak = Scripted(name="weak")
    weak._capabilities = weak.capabilities().model_copy(update={"enforcement": {}})
    host = dispatcher(weak)
    host._policies["open"] = Policy(name="open", enforcement={"network_access": "wall"})
    result = await host.execute(ExecutionRequest(code="1", adapter="weak"), discard)
    assert (result.status, weak.runs) == ("denied", 0)
    assert "network_access is held at level none" in result.reason


async def test_the_stand_in_answers_where_nothing_else_may(dispatcher):
    """With a stand-in a request gets its answer; for a language that it does not know, the host gives one."""

    async def stands_in(request, policy, emit):
        return ended(request, "not_implemented", message="soon")

    host = dispatcher(Scripted(stands_in, name="stand-in", runs_code=False))
    result = await host.execute(ExecutionRequest(code="1"), discard)
    assert (result.status, result.message, result.adapter) == ("not_implemented", "soon", "stand-in")
    other = await host.execute(ExecutionRequest(code="1", language="bash"), discard)
    assert (other.status, other.adapter) == ("not_implemented", None)
    assert "does not run bash" in other.reason


async def test_without_a_stand_in_it_is_an_error(dispatcher):
    """Where nothing may serve and the placeholder is off, the request never becomes an execution."""
    host = dispatcher()
    with pytest.raises(NothingCanServe):
        await host.execute(ExecutionRequest(code="1"), discard)
    assert (await host.store.list()).executions == ()


async def test_observers_see_start_and_end(dispatcher):
    """Observers hear of each run twice, and of what never ran once."""
    heard = []
    host = dispatcher(
        Scripted(),
        execution_started=lambda request, adapter: heard.append((request.code, adapter)),
        execution_finished=lambda request, result: heard.append((request.code, result.status)),
    )
    await host.execute(ExecutionRequest(code="1"), discard)
    assert heard == [("1", "scripted"), ("1", Status.SUCCEEDED)]
