"""Cancelling reaches a request wherever it is on its way: when it answers nothing runs, and there is one record."""

import asyncio
import sqlite3
from types import SimpleNamespace

import pytest

from host import ExecutionRequest, build_host
from host.errors import DuplicateExecution
from host.hookspecs import hookimpl
from host.interface import OutputEvent
from host.models import ExecutionResult, Verdict
from host.policy import Policy
from host.specs import AdapterSpec
from host.testing.uneventful import Uneventful


class Endless(Uneventful):
    """An adapter whose programs write and then run until they are stopped; ``1`` ends at once."""

    name = "endless"

    def __init__(self):
        self.began = asyncio.Event()
        self.stopped = asyncio.Event()

    async def execute(self, request, policy, emit):
        self.began.set()
        emit(OutputEvent("stdout", "partial"))
        try:
            if request.code != "1":
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            if request.code == "goes on":
                raise asyncio.CancelledError("It goes on elsewhere until its deadline.") from None
            raise
        finally:
            self.stopped.set()
        fields = {"status": "succeeded", "stdout": "partial"}
        return ExecutionResult(id=request.id, language="python", policy=policy.name, **fields)


class Validation:
    """A validation that waits until it is let go."""

    def __init__(self):
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self, code):
        self.asked.set()
        await self.go_on.wait()
        return Verdict(verdict="safe")


@pytest.fixture
def endless():
    """The adapter."""
    return Endless()


@pytest.fixture
def validation():
    """The validation."""
    return Validation()


@pytest.fixture
async def host(state_dir, endless, validation):
    """A running host."""
    plugin = SimpleNamespace(
        adapters=hookimpl(lambda: [AdapterSpec("endless", lambda: endless, "for the test")]),
        named_policies=hookimpl(lambda: [Policy(name="strict")]),
        validate_code=hookimpl(lambda code: validation(code)),
    )
    only = {"adapters__prefer": ["endless"], "adapters__sandbox__enabled": False, "adapters__monty__enabled": False}
    async with build_host(
        plugins={"test": plugin}, state_dir=str(state_dir), plugins__disabled=["policies.plugin"], **only
    ) as host:
        yield host


@pytest.fixture
def busy_database(state_dir):
    """Another process in the middle of a write: the store has to wait until ``close``."""
    opened = []

    def hold():
        opened.append(sqlite3.connect(state_dir / "understudy.db", isolation_level=None))
        opened[-1].execute("BEGIN IMMEDIATE")
        return opened[-1]

    yield hold
    for connection in opened:
        connection.close()


async def several_turns(host):
    """The loop has turned often enough that what could go on has gone on."""
    for _ in range(20):
        await host.store.list()


async def test_during_validation(host, endless, validation):
    """A request that is being validated is recorded as cancelled, and its program never starts."""
    validation.go_on.clear()
    call = asyncio.create_task(host.execute(ExecutionRequest(code="2", id="mine")))
    await validation.asked.wait()
    cancelling = asyncio.create_task(host.cancel("mine", "Barge-in."))
    await asyncio.sleep(0)
    assert not cancelling.done()
    validation.go_on.set()
    assert await cancelling is True
    result = await call
    assert (result.status, result.reason, result.may_have_started) == ("cancelled", "Barge-in.", False)
    assert (await host.store.get("mine")).result == result
    assert not endless.began.is_set()


async def test_while_the_intent_is_written(host, endless, busy_database):
    """Cancelled while its intent is on its way to the disk, a request gets its end there and never starts."""
    other = busy_database()
    call = asyncio.create_task(host.execute(ExecutionRequest(code="2", id="mine")))
    await several_turns(host)
    cancelling = asyncio.create_task(host.cancel("mine", "Barge-in."))
    await several_turns(host)
    assert not cancelling.done()
    other.close()
    assert await cancelling is True
    result = await call
    assert (result.status, result.reason, result.may_have_started) == ("cancelled", "Barge-in.", False)
    assert (result.adapter, result.started_at <= result.finished_at) == ("endless", True)
    assert (await host.store.get("mine")).result == result
    assert not endless.began.is_set()


async def test_while_it_runs(host, endless):
    """When cancel answers, the program is dead and its record is written, with what it had put out."""
    call = asyncio.create_task(host.execute(ExecutionRequest(code="2", id="mine")))
    await endless.began.wait()
    first, second = await asyncio.gather(host.cancel("mine", "Barge-in."), host.cancel("mine", "Again."))
    assert (first, second, endless.stopped.is_set()) == (True, True, True)
    record = (await host.store.get("mine")).result
    assert (record.status, record.reason, record.stdout) == ("cancelled", "Barge-in.", "partial")
    assert await call == record
    assert await host.cancel("mine") is False


async def test_while_the_end_is_written(host, endless, busy_database):
    """What has ended by itself stays what it is; cancel waits until that is recorded."""
    blocked = asyncio.create_task(_block_at_the_end(endless, busy_database))
    call = asyncio.create_task(host.execute(ExecutionRequest(code="1", id="mine")))
    other = await blocked
    await several_turns(host)
    cancelling = asyncio.create_task(host.cancel("mine"))
    await several_turns(host)
    assert not cancelling.done()
    other.close()
    assert await cancelling is True
    assert (await call).status == "succeeded"
    assert (await host.store.get("mine")).result.status == "succeeded"


async def test_a_caller_that_goes_while_the_end_is_written_leaves_the_record(host, endless, busy_database):
    """CancelledError comes back only when the end is on the disk."""
    blocked = asyncio.create_task(_block_at_the_end(endless, busy_database))
    call = asyncio.create_task(host.execute(ExecutionRequest(code="1", id="mine")))
    other = await blocked
    await several_turns(host)
    call.cancel()
    await several_turns(host)
    assert not call.done()
    other.close()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (await host.store.get("mine")).result.status == "succeeded"
    (*_, last) = [each async for each in host.attach("mine")]
    assert last.event.result.status == "succeeded"


async def _block_at_the_end(endless, busy_database):
    """Once the program has ended, its end cannot be written."""
    await endless.stopped.wait()
    return busy_database()


async def test_a_follower_of_what_is_cancelled_early_gets_the_end(host, validation):
    """Who joins before the program was started is told the cancelled result, and nothing else."""
    validation.go_on.clear()
    call = asyncio.create_task(host.execute(ExecutionRequest(code="2", id="mine")))
    await validation.asked.wait()
    following = asyncio.create_task(anext(host.attach("mine")))
    await asyncio.sleep(0)
    cancelling = asyncio.create_task(host.cancel("mine"))
    await asyncio.sleep(0)
    validation.go_on.set()
    await cancelling
    assert (await following).event.result == await call


async def test_an_id_in_use_is_refused_at_once(host, endless):
    """A second request with the id of one that is on its way is refused, and the first goes on."""
    call = asyncio.create_task(host.execute(ExecutionRequest(code="2", id="mine")))
    await endless.began.wait()
    with pytest.raises(DuplicateExecution):
        await host.execute(ExecutionRequest(code="1", id="mine"))
    assert host.running == ("mine",)
    await host.cancel("mine")
    assert (await call).status == "cancelled"


async def test_what_is_not_here_cannot_be_cancelled(host):
    """An id that nothing here has is False."""
    assert await host.cancel("nobody") is False


async def test_closing_the_host_ends_every_stream_with_its_result(host, endless):
    """Those who follow what outlasts the grace are told the end, as its caller is."""
    own = asyncio.create_task(_last(host.stream(ExecutionRequest(code="2", id="mine"), linger_ms=60_000)))
    await endless.began.wait()
    joined = asyncio.create_task(_last(host.attach("mine")))
    await asyncio.sleep(0)
    await host.aclose(grace_ms=0)
    ends = [await own, await joined]
    assert [each.name for each in ends] == ["result", "result"]
    assert [each.event.result.status for each in ends] == ["cancelled", "cancelled"]


async def _last(events):
    """The last event of a stream."""
    async for each in events:
        last = each
    return last


async def test_what_nobody_can_end_says_so(host, endless):
    """Where an adapter says that a cancelled program goes on, the record has its words."""
    request = ExecutionRequest(code="goes on")
    running = asyncio.ensure_future(host.execute(request))
    await endless.began.wait()
    assert await host.cancel(request.id, "Barge-in.")
    result = await running
    assert (result.status, result.may_have_started) == ("cancelled", True)
    assert result.reason == "Barge-in. It goes on elsewhere until its deadline."
