"""Many programs at once: each in a session of its own, and the loop free for everybody else."""

import asyncio

from host.models import Status
from tests.adapters.bedrock.conftest import told
from tests.adapters.bedrock.emulated import OPEN
from tests.emulators import faults

MANY = 64


async def test_sixty_four_at_once(bedrock):
    """64 programs are at AWS at the same time, each in its own session; while none answers, the loop goes on and the
    service can be asked; then each gets its own answer.
    """
    stuck = bedrock.account.fail(
        "InvokeCodeInterpreter", faults.stuck(), when=lambda given: "enter.py run" in told(given)
    )
    patient = OPEN.model_copy(update={"max_execution_time": 100_000})
    runs = [asyncio.ensure_future(bedrock.run(f"print({n})\n{n} * 2", policy=patient)) for n in range(MANY)]
    beats = 0
    async with asyncio.timeout(100):
        while stuck.hits < MANY:
            await asyncio.sleep(0.001)
            beats += 1
    assert beats > MANY
    assert not any(run.done() for run in runs)
    assert len(bedrock.service.running()) == MANY
    assert (await bedrock.adapter.available()).ok
    stuck.release()
    results = await asyncio.gather(*runs)
    assert [(result.status, result.value, result.stdout) for result in results] == [
        (Status.SUCCEEDED, n * 2, f"{n}\n") for n in range(MANY)
    ]
    sessions = [call.input["sessionId"] for call in bedrock.sent("enter.py run")]
    assert len(sessions) == len(set(sessions)) == MANY
    await bedrock.nothing_runs()


async def test_the_rest_waits_for_its_turn(start):
    """No more programs than max_running are at AWS; those that wait have no session yet, and too many are declined."""
    bedrock = await start(max_running=2, max_waiting=1)
    stuck = bedrock.account.fail(
        "InvokeCodeInterpreter", faults.stuck(), when=lambda given: "enter.py run" in told(given)
    )
    runs = [asyncio.ensure_future(bedrock.run(str(n))) for n in range(3)]
    async with asyncio.timeout(60):
        while stuck.hits < 2:
            await asyncio.sleep(0.001)
    assert len(bedrock.account.log.calls("StartCodeInterpreterSession")) == 2
    assert bedrock.adapter._slots.full
    stuck.release()
    assert [result.value for result in await asyncio.gather(*runs)] == [0, 1, 2]
    await bedrock.adapter.aclose()
