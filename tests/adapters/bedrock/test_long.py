"""Long runs: started in the background, asked after, and fetched."""

import asyncio

import pytest

from adapters.bedrock import run
from host.errors import AdapterError
from host.models import File, Status
from host.policy import Limits
from tests.emulators import faults


@pytest.fixture
async def bedrock(start, monkeypatch):
    """An adapter for which every program is a long one."""
    monkeypatch.setattr(run, "_LONGEST_PAUSE_S", 0.3)
    one = await start(long_after_s=0)
    yield one
    await one.adapter.aclose()
    assert one.service.running() == []


def tools(bedrock):
    """The tools that were called in sessions, in their order, each once in a row."""
    names = [call.input["name"] for call in bedrock.account.log.calls("InvokeCodeInterpreter")]
    return [name for place, name in enumerate(names) if names[place - 1 : place] != [name]]


async def test_it_runs_in_the_background(bedrock):
    """Such a program is started once, asked after until it has ended, and its answer is fetched whole."""
    result = await bedrock.run(
        "import time; time.sleep(0.4)\nprint('out')\nopen('f', 'w').write('x')\nlen(open('in').read())",
        files=(File(path="in", content=b"abc"),),
    )
    assert (result.status, result.value, result.stdout) == (Status.SUCCEEDED, 3, "out\n")
    assert [file.path for file in result.files] == ["f"]
    assert tools(bedrock) == ["writeFiles", "executeCommand", "startCommandExecution", "getTask", "executeCommand"]
    await bedrock.nothing_runs()


async def test_its_end_is_judged_as_any(bedrock):
    """A deadline and a failure are results here too."""
    late = await bedrock.run("print('here', flush=True)\nwhile True: pass", limits=Limits(max_execution_time=400))
    assert (late.status, late.stdout) == (Status.TIMED_OUT, "here\n")
    assert (await bedrock.run("1 / 0")).status is Status.FAILED


async def test_asking_again_is_no_second_run(bedrock):
    """A question after a task that fails is asked again, and the program is started once."""
    fault = bedrock.account.fail("InvokeCodeInterpreter", faults.internal(), calls=[1], when=is_tool("getTask"))
    assert (await bedrock.run("7")).value == 7
    assert fault.hits == 1
    assert len(started(bedrock)) == 1


async def test_a_start_whose_answer_is_lost(bedrock):
    """Where nobody knows whether it was started, the program may have run, and is not started again."""
    bedrock.account.fail("InvokeCodeInterpreter", faults.cut("after"), when=is_tool("startCommandExecution"))
    with pytest.raises(AdapterError) as caught:
        await bedrock.run("7")
    assert (caught.value.may_have_started, caught.value.lost) == (True, True)
    assert len(started(bedrock)) == 1
    await bedrock.nothing_runs()


async def test_a_task_that_nobody_can_ask_after(bedrock):
    """Where questions fail for good the run is lost, and its session is stopped."""
    bedrock.account.fail("InvokeCodeInterpreter", faults.denied(), when=is_tool("getTask"))
    with pytest.raises(AdapterError, match="cannot say how it is") as caught:
        await bedrock.run("7")
    assert caught.value.lost
    await bedrock.nothing_runs()


async def test_cancelling_stops_the_task(bedrock):
    """Cancelling stops the task and its session before the caller goes on."""
    task = asyncio.ensure_future(bedrock.run("while True: pass"))
    await asyncio.to_thread(bedrock.account.log.wait, "InvokeCodeInterpreter", when=is_tool("getTask"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bedrock.service.running() == []
    assert "stopTask" in tools(bedrock)


def is_tool(name):
    """Whether a call is of this tool."""
    return lambda given: given["name"] == name


def started(bedrock):
    """The calls that started a program."""
    return bedrock.account.log.calls("InvokeCodeInterpreter", when=is_tool("startCommandExecution"))


async def test_a_task_that_is_due_is_asked_after_soon(bedrock, monkeypatch):
    """However long the pauses have grown, the end of a program's time is no pause away from being known."""
    monkeypatch.setattr(run, "_FIRST_PAUSE_S", 0.2)
    monkeypatch.setattr(run, "_LONGEST_PAUSE_S", 3600)
    monkeypatch.setattr(run, "GRACE_S", 10)
    result = await bedrock.run("while True: pass", limits=Limits(max_execution_time=1500))
    assert result.status is Status.TIMED_OUT
