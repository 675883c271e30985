"""Callers that go away, adapters that close, and many programs at one time: nothing is sent twice, nobody is held."""

import asyncio
import threading

import pytest

from adapters.aws_lambda.runs import GOES_ON
from host.errors import AdapterError
from host.interface import discard
from host.models import ExecutionRequest
from tests.adapters.aws_lambda.packages import PREFIX

_WAITS = (
    "open('there', 'w').close()\nimport os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\nresult = 'went on'"
)


async def _until(condition, within_s: float = 20) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.005)


def _is_there(bench) -> bool:
    return any((each.temporary / "work/there").exists() for each in bench.pool().environments)


def _let_go(bench) -> None:
    for each in bench.pool().environments:
        (each.temporary / "work/go").touch()


async def test_cancelling_lets_go_at_once(bench) -> None:
    """A caller that cancels is let go while the program runs on in Lambda, and the error says so."""
    task = asyncio.ensure_future(bench.run(_WAITS))
    await _until(lambda: _is_there(bench))
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert caught.value.args == (GOES_ON,)
    (call,) = bench.account.log.calls("Invoke")
    assert not call.finished.is_set()
    _let_go(bench)
    await asyncio.to_thread(call.finished.wait, 20)
    assert len(bench.account.log.calls("Invoke")) == 1
    assert (await bench.run("1 + 1")).value == 2


async def test_cancelling_before_it_was_sent(make_bench) -> None:
    """A program that was not sent yet never is, and nothing is said of one that goes on."""
    bench = await make_bench(max_running=1)
    first = asyncio.ensure_future(bench.run(_WAITS))
    await _until(lambda: _is_there(bench))
    second = asyncio.ensure_future(bench.adapter.execute(ExecutionRequest(code="1"), bench.policy(), discard))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await second
    assert caught.value.args == ()
    _let_go(bench)
    assert (await first).value == "went on"
    assert len(bench.account.log.calls("Invoke")) == 1


async def test_as_many_as_may_run(make_bench) -> None:
    """As many run as max_running says, those that nobody waits for among them; more are declined as busy."""
    bench = await make_bench(max_running=1)
    task = asyncio.ensure_future(bench.run(_WAITS))
    await _until(lambda: _is_there(bench))
    assert bench.adapter.accepts(ExecutionRequest(code="1"), bench.policy()).rule == "busy"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.adapter.accepts(ExecutionRequest(code="1"), bench.policy()).rule == "busy"
    _let_go(bench)
    await _until(lambda: bench.adapter.accepts(ExecutionRequest(code="1"), bench.policy()) is None)


async def test_closing_lets_everybody_go(bench) -> None:
    """Closing the adapter ends every wait, and says that the program may run on."""
    task = asyncio.ensure_future(bench.run(_WAITS))
    await _until(lambda: _is_there(bench))
    await bench.adapter.aclose()
    with pytest.raises(AdapterError, match="was closed") as caught:
        await task
    assert caught.value.may_have_started
    _let_go(bench)


async def test_many_at_once(make_bench, monkeypatch) -> None:
    """Sixty-four programs are on their way at one time, and the loop goes on with whatever else it has to do."""
    bench = await make_bench(max_running=64)
    await bench.run("6 * 7")
    answer = bench.account.client("lambda").invoke(
        FunctionName=f"{PREFIX}-python", Payload=bench.account.log.calls("Invoke")[0].input["Payload"]
    )
    payload, everybody_is_there = answer["Payload"].read(), threading.Barrier(65)

    def invoke(call) -> dict:
        everybody_is_there.wait(60)
        everybody_is_there.wait(60)
        return {"StatusCode": 200, "Payload": payload}

    monkeypatch.setattr(bench.service, "invoke", invoke)
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    turning = asyncio.ensure_future(turn())
    runs = [asyncio.ensure_future(bench.run("6 * 7")) for _ in range(64)]
    await asyncio.to_thread(everybody_is_there.wait, 60)
    before = turns
    for _ in range(100):
        await asyncio.sleep(0)
    assert turns >= before + 100
    assert not any(run.done() for run in runs)
    await asyncio.to_thread(everybody_is_there.wait, 60)
    assert [result.value for result in await asyncio.gather(*runs)] == [42] * 64
    turning.cancel()
