"""Streams: every event once and in order, for any number of followers, and none of them holds the program up."""

import asyncio
import itertools
from contextlib import aclosing
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from host import ExecutionRequest, build_host
from host.errors import InvalidRequest, OwnedElsewhere, SequenceAhead, StoreError, UnknownExecution, UnknownPolicy
from host.hookspecs import hookimpl
from host.interface import DisplayEvent, OutputEvent
from host.models import Display, ExecutionResult, Verdict
from host.policy import Policy, Retain
from host.specs import AdapterSpec
from host.streams import FinishedEvent, StartedEvent
from host.testing.uneventful import Uneventful

FIGURE = Display(data={"text/plain": "a figure"})


class Scripted(Uneventful):
    """An adapter that does what the test's coroutine does, and reports what it emitted."""

    name = "scripted"
    claims = {"streaming": True}

    def __init__(self):
        self.script = None
        self.stopped = asyncio.Event()

    async def execute(self, request, policy, emit):
        written = {"stdout": "", "stderr": ""}
        displays = []

        def noted(event):
            if isinstance(event, OutputEvent):
                written[event.stream] += event.text
            else:
                displays.append(event.display)
            emit(event)

        try:
            more = await self.script(noted) or {}
        finally:
            self.stopped.set()
        fields = {"status": "succeeded", "displays": tuple(displays), **written, **more}
        return ExecutionResult(id=request.id, language="python", policy=policy.name, **fields)


def rules(scripted):
    """A plugin with the adapter, a policy that keeps no outputs, and a validation that denies one program."""
    return SimpleNamespace(
        adapters=hookimpl(lambda: [AdapterSpec("scripted", lambda: scripted, "for the test")]),
        named_policies=hookimpl(lambda: [Policy(name="strict"), Policy(name="silent", retain=Retain(outputs=False))]),
        validate_code=hookimpl(lambda code: Verdict(verdict="denied" if code == "bad" else "safe")),
    )


@pytest.fixture
def scripted():
    """The adapter."""
    return Scripted()


@pytest.fixture
def running(state_dir, scripted):
    """Builds a host that runs everything on the scripted adapter; takes further settings."""

    def build(**overrides):
        only = {"adapters__prefer": ["scripted"], "adapters__sandbox__enabled": False}
        only |= {"adapters__monty__enabled": False, "plugins__disabled": ["policies.plugin"]}
        return build_host(plugins={"rules": rules(scripted)}, state_dir=str(state_dir), **only, **overrides)

    return build


@pytest.fixture
async def host(running):
    """A running host."""
    async with running() as host:
        yield host


async def told(events):
    """All that a stream tells, to its end."""
    return [each async for each in events]


def written(events, stream):
    """What was told of one output stream."""
    return "".join(
        each.event.text for each in events if isinstance(each.event, OutputEvent) and each.event.stream == stream
    )


def says(*events):
    """A script that emits these, one after the other, with a turn of the loop between."""

    async def script(emit):
        for event in events:
            emit(event)
            await asyncio.sleep(0)

    return script


def until_cancelled(began):
    """A script that writes, and then runs until it is stopped."""

    async def script(emit):
        emit(OutputEvent("stdout", "partial"))
        began.set()
        await asyncio.Event().wait()

    return script


async def test_a_stream_tells_of_the_start_the_output_and_the_end(host, scripted):
    """Events are numbered from 1; first which adapter and policy, last the recorded result; in between what came."""
    scripted.script = says(OutputEvent("stdout", "one\n"), DisplayEvent(FIGURE), OutputEvent("stderr", "two\n"))
    events = await told(host.stream(ExecutionRequest(code="1", id="mine")))
    assert [each.seq for each in events] == list(range(1, len(events) + 1))
    assert [each.name for each in events] == ["started", "stdout", "display", "stderr", "result"]
    assert events[0].event == StartedEvent(id="mine", adapter="scripted", language="python", policy="strict")
    assert events[-1].event == FinishedEvent((await host.store.get("mine")).result)


_events = st.one_of(
    st.builds(OutputEvent, st.sampled_from(["stdout", "stderr"]), st.text(max_size=6)),
    st.just(DisplayEvent(FIGURE)),
    st.builds(OutputEvent, st.just("stdout"), st.integers(60_000, 140_000).map("x".__mul__)),
    st.none(),  # the loop turns
)


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(script=st.lists(_events, max_size=30), window_ms=st.sampled_from([1, 10_000]), share=st.floats(0, 1))
async def test_a_replay_is_the_tail_of_the_stream(running, scripted, script, window_ms, share):
    """From whatever number it is asked for, during the run or after it, a replay equals the rest of the whole stream;
    its pieces put together are the result's output.
    """

    async def run(emit):
        for event in script:
            if event is None:
                await asyncio.sleep(0.002)
            else:
                emit(event)

    scripted.script = run
    async with running(streams__window_ms=window_ms) as host:
        request = ExecutionRequest(code="1")
        whole, joined = [], None
        async for each in host.stream(request):
            whole.append(each)
            if joined is None and each.seq >= share * len(script):
                joined = asyncio.create_task(told(host.attach(request.id, after=each.seq)))
                start = each.seq
        if joined is not None:
            assert await joined == whole[start:]
        for after in range(len(whole) + 1):
            assert await told(host.attach(request.id, after=after)) == whole[after:]
    assert [each.seq for each in whole] == list(range(1, len(whole) + 1))
    result = whole[-1].event.result
    assert (written(whole, "stdout"), written(whole, "stderr")) == (result.stdout, result.stderr)
    assert tuple(each.event.display for each in whole if each.name == "display") == result.displays


async def test_what_an_adapter_did_not_emit_is_told_before_the_end(host, scripted):
    """Of an adapter that only answers at the end, output and displays are events all the same."""

    async def silent(emit):
        emit(OutputEvent("stdout", "a"))
        return {"stdout": "abc", "stderr": "oh", "displays": (FIGURE,)}

    scripted.script = silent
    events = await told(host.stream(ExecutionRequest(code="1")))
    assert (written(events, "stdout"), written(events, "stderr")) == ("abc", "oh")
    assert [each.name for each in events][-2:] == ["display", "result"]


async def test_what_is_emitted_after_the_end_is_dropped(host, scripted):
    """The result is the last event, whatever an adapter still says."""
    kept = []

    async def goes_on(emit):
        kept.append(emit)

    scripted.script = goes_on
    before = await told(host.stream(ExecutionRequest(code="1", id="mine")))
    kept[0](OutputEvent("stdout", "late"))
    kept[0](DisplayEvent(FIGURE))
    assert [each.name for each in before] == ["started", "result"]
    assert await told(host.attach("mine")) == before


async def test_many_small_writes_are_few_events(running, scripted):
    """What is written piece by piece, to both outputs in turns, comes in large pieces."""

    async def trickle(emit):
        for _ in range(100_000):
            emit(OutputEvent("stdout", "o"))
            emit(OutputEvent("stderr", "e"))

    scripted.script = trickle
    async with running(streams__window_ms=10_000) as host:
        events = await told(host.stream(ExecutionRequest(code="1")))
    assert (written(events, "stdout"), written(events, "stderr")) == ("o" * 100_000, "e" * 100_000)
    assert len(events) < 20


async def test_the_first_output_after_a_pause_does_not_wait(running, scripted):
    """A piece is told at once where none came just before it, however long the window is."""
    went_on = asyncio.Event()

    async def prompt(emit):
        emit(OutputEvent("stdout", "ready"))
        await went_on.wait()

    scripted.script = prompt
    async with running(streams__window_ms=10_000) as host:
        async for each in host.stream(ExecutionRequest(code="1")):
            if each.name == "stdout":
                went_on.set()
    assert each.event.result.stdout == "ready"


async def test_a_plain_run_can_be_joined(host, scripted):
    """Whoever joins a run that nobody streamed gets all that came before, in order, and then what comes."""
    halfway, go_on = asyncio.Event(), asyncio.Event()

    async def script(emit):
        for text in ("1", "2", "3"):
            emit(OutputEvent("stdout", text))
            emit(DisplayEvent(FIGURE))
        halfway.set()
        await go_on.wait()
        emit(OutputEvent("stderr", "4"))

    scripted.script = script
    heard = []
    run = asyncio.create_task(host.execute(ExecutionRequest(code="1", id="mine"), heard.append))
    await halfway.wait()
    events = []
    async for each in host.attach("mine"):
        events.append(each)
        go_on.set()
    assert [each.name for each in events] == ["started", *["stdout", "display"] * 3, "stderr", "result"]
    assert events[-1].event.result == await run
    assert len(heard) == 7


async def test_a_slow_follower_holds_nobody_up(host, scripted):
    """A follower that stops reading misses nothing, and neither the program nor another follower waits for it."""
    scripted.script = says(*[DisplayEvent(FIGURE)] * 500)
    async with aclosing(host.stream(ExecutionRequest(code="1", id="mine"))) as slow:
        first = await anext(slow)
        quick = await told(host.attach("mine"))
        assert quick[-1].name == "result"
        assert [first, *await told(slow)] == quick


@pytest.mark.parametrize("way", ["aclose", "break", "cancel"])
async def test_leaving_a_stream_stops_the_program(host, scripted, way):
    """Closed, left or cancelled, the iterator stops the program, and its record says so."""
    began = asyncio.Event()
    scripted.script = until_cancelled(began)
    stream = host.stream(ExecutionRequest(code="1", id="mine"))
    if way == "aclose":
        async with aclosing(stream):
            await anext(stream)
            await began.wait()
        assert host.running == ()
    elif way == "cancel":
        reading = asyncio.create_task(told(stream))
        await began.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert host.running == ()
    else:
        async for _ in stream:
            break
        del stream
        (last,) = [each async for each in host.attach("mine") if each.name == "result"]
        assert last.event.result.status == "cancelled"
    assert scripted.stopped.is_set() or not began.is_set()
    record = await host.store.get("mine")
    assert record.result.status == "cancelled"


async def test_leaving_twice_in_a_hurry_still_waits_for_the_end(host, scripted):
    """A caller that is cancelled again while the program is being stopped goes only when it is dead and recorded."""
    began, dying, dead = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def dies_slowly(emit):
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            dying.set()
            await dead.wait()

    scripted.script = dies_slowly
    reading = asyncio.create_task(told(host.stream(ExecutionRequest(code="1", id="mine"))))
    await began.wait()
    reading.cancel()
    await dying.wait()
    for _ in range(3):
        reading.cancel()
        await asyncio.sleep(0)
    assert not reading.done()
    dead.set()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert (await host.store.get("mine")).result.status == "cancelled"


async def test_a_run_that_may_linger_waits_for_its_followers(host, scripted):
    """With linger_ms the program goes on when the stream is left; who comes back in time gets the rest."""
    go_on = asyncio.Event()

    async def script(emit):
        emit(OutputEvent("stdout", "one"))
        await go_on.wait()
        emit(OutputEvent("stdout", "two"))

    scripted.script = script
    async with aclosing(host.stream(ExecutionRequest(code="1", id="mine"), linger_ms=3_600_000)) as first:
        before = [await anext(first), await anext(first)]
    assert host.running == ("mine",)
    go_on.set()
    after = await told(host.attach("mine", after=before[-1].seq))
    assert [each.seq for each in before + after] == [1, 2, 3, 4]
    assert after[-1].event.result.stdout == "onetwo"


async def test_a_run_that_nobody_follows_any_more_is_cancelled(host, scripted):
    """When linger_ms are over and nobody came back, the program is stopped, and the record says why."""
    began = asyncio.Event()
    scripted.script = until_cancelled(began)
    async with aclosing(host.stream(ExecutionRequest(code="1", id="mine"), linger_ms=1)) as stream:
        await anext(stream)
        await began.wait()
        async with aclosing(host.attach("mine")) as other:
            await anext(other)
            await stream.aclose()
            assert not scripted.stopped.is_set()
    await scripted.stopped.wait()
    (*_, last) = await told(host.attach("mine"))
    assert (last.event.result.status, last.event.result.stdout) == ("cancelled", "partial")
    assert last.event.result.reason == "Nobody followed its stream for 1 ms."


async def test_leaving_an_attached_stream_stops_nothing(host, scripted):
    """Who only joined leaves without a trace."""
    go_on = asyncio.Event()

    async def script(emit):
        await go_on.wait()

    scripted.script = script
    run = asyncio.create_task(host.execute(ExecutionRequest(code="1", id="mine")))
    while "mine" not in host.running:
        await asyncio.sleep(0)
    async with aclosing(host.attach("mine")) as other:
        await anext(other)
    go_on.set()
    assert (await run).status == "succeeded"


async def test_what_never_runs_has_its_result_alone(host):
    """A denied request is recorded, and its stream is one event."""
    (only,) = await told(host.stream(ExecutionRequest(code="bad")))
    assert (only.seq, only.name, only.event.result.status) == (1, "result", "denied")


async def test_what_never_became_an_execution_raises(host):
    """Errors before the start come out of the first step, and nothing is kept of them."""
    with pytest.raises(UnknownPolicy):
        await told(host.stream(ExecutionRequest(code="1", policy="nope", id="mine")))
    with pytest.raises(UnknownExecution):
        await told(host.attach("mine"))


async def test_a_follower_cannot_be_ahead(host, scripted):
    """A number that the stream has not come to, or that is none, is refused."""
    scripted.script = says()
    await told(host.stream(ExecutionRequest(code="1", id="mine")))
    assert await told(host.attach("mine", after=2)) == []
    with pytest.raises(SequenceAhead, match="event 2, not to 3"):
        await told(host.attach("mine", after=3))
    with pytest.raises(InvalidRequest):
        await told(host.attach("mine", after=-1))


@pytest.mark.parametrize(("policy", "stdout"), [("strict", "out"), ("silent", "")])
async def test_of_what_ended_long_ago_there_is_the_record(running, scripted, policy, stdout):
    """Where the events are gone, a follower gets the result alone, as far as the policy let it be kept."""
    scripted.script = says(OutputEvent("stdout", "out"))
    async with running(streams__keep_ms=0) as host:
        await told(host.stream(ExecutionRequest(code="1", policy=policy, id="mine")))
        (only,) = await told(host.attach("mine", after=7))
        result = (await host.store.get("mine")).result
    assert (only.seq, only.event) == (8, FinishedEvent(result))
    assert (result.status, result.stdout) == ("succeeded", stdout)


async def test_ended_streams_are_kept_for_a_while(running, scripted):
    """When streams.keep_ms are over the events are gone without anybody asking."""
    scripted.script = says(OutputEvent("stdout", "out"))
    async with running(streams__keep_ms=1) as host:
        await told(host.stream(ExecutionRequest(code="1", id="mine")))
        while len(await told(host.attach("mine"))) > 1:
            await asyncio.sleep(0)


@pytest.mark.parametrize("bound", [{"streams__keep_count": 2}, {"streams__keep_bytes": 6000}])
async def test_few_ended_streams_are_kept(running, scripted, bound):
    """Beyond the bound, by number or by memory, the oldest goes; one that is too large alone is not kept."""
    scripted.script = says(OutputEvent("stdout", "x" * 1000))
    async with running(**bound) as host:
        for number in range(4):
            await told(host.stream(ExecutionRequest(code="1", id=f"r{number}")))
        kept = [len(await told(host.attach(f"r{number}"))) > 1 for number in range(4)]
        assert kept == [False, False, True, True]
        scripted.script = says(OutputEvent("stdout", "x" * 3000))
        await told(host.stream(ExecutionRequest(code="1", id="large")))
        assert len(await told(host.attach("large"))) == (1 if "streams__keep_bytes" in bound else 3)


async def test_what_another_host_runs_is_followed_there(host):
    """An execution without an end that is not of this host is refused with its kind."""
    request = ExecutionRequest(code="1", id="theirs")
    await host.store.begin(request, host.policies["strict"], owner="another")
    with pytest.raises(OwnedElsewhere):
        await told(host.attach("theirs"))


async def test_an_end_that_cannot_be_recorded_is_told(host, scripted):
    """Where the store fails at the end, every follower gets what came and then the error, later ones too."""

    async def loses_the_store(emit):
        emit(OutputEvent("stdout", "out"))
        await host.store.aclose()

    scripted.script = loses_the_store
    for events in (host.stream(ExecutionRequest(code="1", id="mine")), host.attach("mine")):
        assert [(await anext(events)).name, (await anext(events)).name] == ["started", "stdout"]
        with pytest.raises(StoreError):
            await anext(events)


async def test_many_streams_at_once_do_not_mix(host, scripted):
    """Each stream tells of its own run alone."""
    numbers = itertools.count()

    async def counts(emit):
        number = next(numbers)
        for _ in range(5):
            emit(OutputEvent("stdout", f"<{number}>"))
            await asyncio.sleep(0)

    scripted.script = counts
    for events in await asyncio.gather(*(told(host.stream(ExecutionRequest(code="1"))) for _ in range(50))):
        text = written(events, "stdout")
        assert text == events[-1].event.result.stdout
        assert len(set(text.replace("<", " ").replace(">", " ").split())) == 1
