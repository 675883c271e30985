"""Sessions that wait: each is used once, and there are never more than the budget says."""

import asyncio

import pytest

from host.errors import AdapterError
from host.models import ExecutionRequest, Status
from host.policy import Limits
from tests.adapters.bedrock.emulated import OPEN
from tests.emulators import faults


@pytest.fixture
async def begin(start):
    """Starts an adapter that keeps sessions warm, and waits for those that are kept from the start."""
    begun = []

    async def one(**settings):
        before = await start()  # so that what is in the interpreter is known
        await before.adapter.aclose()
        bedrock = await start(warm=True, **{"tidy_every_s": 3600, **settings})
        begun.append(bedrock)
        await bedrock.adapter._warm.settled()
        return bedrock

    yield one
    for bedrock in begun:
        await bedrock.adapter.aclose()
        assert bedrock.service.running() == []


async def test_a_request_finds_a_session_ready(begin):
    """A program that finds a session ready is one call, and another session is made in its place, for one use."""
    bedrock = await begin(min_ready=1)
    (waiting,) = bedrock.service.running()
    bedrock.account.log.clear()
    assert (await bedrock.run("42")).value == 42
    (call,) = bedrock.sent("enter.py run")
    assert call.input["sessionId"] == waiting.id
    await bedrock.adapter._warm.settled()
    assert len(bedrock.account.log.calls("StartCodeInterpreterSession")) == 1
    assert (await bedrock.run("43")).value == 43
    assert len({call.input["sessionId"] for call in bedrock.sent("enter.py run")}) == 2


async def test_demand_makes_the_next_one_ready(begin):
    """Nothing waits before the first request; after it a session does."""
    bedrock = await begin()
    assert bedrock.service.running() == []
    await bedrock.run("1")
    await bedrock.adapter._warm.settled()
    await wait_until(lambda: len(bedrock.service.running()) == 1)
    assert bedrock.adapter._warm.ready == 1


async def test_never_more_than_the_budget(begin):
    """Many requests at once leave no more sessions waiting than warm_sessions."""
    bedrock = await begin(warm_sessions=2)
    results = await asyncio.gather(*(bedrock.run(str(n)) for n in range(8)))
    assert [result.value for result in results] == list(range(8))
    await bedrock.adapter._warm.settled()
    assert bedrock.adapter._warm.ready == 2
    await wait_until(lambda: len(bedrock.service.running()) == 2)


async def test_one_that_nobody_asks_for_is_ended(begin):
    """After warm_idle_s a session that waits is ended, but for min_ready of them."""
    bedrock = await begin(min_ready=1, warm_sessions=2)
    await bedrock.run("1")
    await bedrock.adapter._warm.settled()
    bedrock.adapter._warm._make(1)
    await bedrock.adapter._warm.settled()
    assert bedrock.adapter._warm.ready == 2
    bedrock.adapter._warm._idle_s = 0
    bedrock.adapter._warm.tidy()
    assert bedrock.adapter._warm.ready == 1
    await wait_until(lambda: len(bedrock.service.running()) == 1)


async def test_one_that_would_not_outlive_the_program_is_not_used(begin):
    """A session that AWS will end before the program's time is up is ended, and another is started."""
    bedrock = await begin(min_ready=1, session_timeout_s=60, warm_idle_s=1)
    (waiting,) = bedrock.service.running()
    assert waiting.seconds == 61
    result = await bedrock.run("1", policy=OPEN.model_copy(update={"max_execution_time": 120_000}))
    assert result.status is Status.SUCCEEDED
    (call,) = bedrock.sent("enter.py run")
    assert call.input["sessionId"] != waiting.id
    assert bedrock.service.sessions[call.input["sessionId"]].seconds >= 120


async def test_one_that_aws_has_ended(begin):
    """Where a session has ended while it waited the caller is told that nothing ran; the next one runs."""
    bedrock = await begin(min_ready=1)
    bedrock.service.running()[0].end()
    with pytest.raises(AdapterError, match="nothing has run") as caught:
        await bedrock.run("1")
    assert (caught.value.retryable, caught.value.may_have_started) == (True, False)
    assert len(bedrock.sent("enter.py run")) == 1
    assert (await bedrock.run("1")).value == 1


async def test_one_that_waits_gives_way(begin):
    """Where there may be no more sessions, one that waits makes room for one that is wanted."""
    bedrock = await begin(min_ready=1, max_sessions=2)
    for name in ("a", "b"):
        await bedrock.adapter.open(name, "python", OPEN)
    assert (len(bedrock.service.running()), bedrock.adapter._warm.ready) == (2, 0)
    with pytest.raises(AdapterError, match="has its 2 sessions") as caught:
        await bedrock.adapter.open("c", "python", OPEN)
    assert (caught.value.retryable, caught.value.may_have_started) == (True, False)


async def test_one_that_cannot_be_made(begin):
    """Where none can be made ahead, programs start their own."""
    bedrock = await begin()
    fault = bedrock.account.fail("StartCodeInterpreterSession", faults.denied())
    bedrock.adapter._warm._make(1)
    await bedrock.adapter._warm.settled()
    assert (fault.hits, bedrock.adapter._warm.ready) == (1, 0)
    fault.remove()
    assert (await bedrock.run("1")).value == 1


async def test_a_host_that_is_asked_once_keeps_none(start):
    """A host that was started for one program makes no session that nobody will use."""
    bedrock = await start(warm=True, min_ready=1, languages=("python",))
    assert (await bedrock.run("1")).value == 1
    await bedrock.nothing_runs()
    assert len(bedrock.account.log.calls("StartCodeInterpreterSession")) == 1
    await bedrock.adapter.aclose()


async def test_a_refusal_while_all_places_are_taken(begin):
    """With a session waiting requests are let in at the bound; without one they are not."""
    bedrock = await begin(min_ready=1, max_sessions=1)
    assert bedrock.adapter.accepts(ExecutionRequest(code=""), OPEN) is None
    assert (await bedrock.run("5", limits=Limits(max_execution_time=5000))).value == 5


async def wait_until(is_so, within_s=10):
    """Return once it is so."""
    async with asyncio.timeout(within_s):
        while not is_so():
            await asyncio.sleep(0.01)
