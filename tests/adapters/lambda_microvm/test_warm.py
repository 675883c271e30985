"""MicroVMs that are kept ready."""

import asyncio

from host.models import Status
from tests.adapters.lambda_microvm.rig import OPEN, ran
from tests.emulators import faults


async def ready(adapter, count):
    """Return once so many wait."""
    async with asyncio.timeout(30):
        while adapter._engine._warm.count != count:
            await asyncio.sleep(0.01)


async def test_one_that_waits_is_used_once_and_replaced(rig):
    """A program takes one that waits, without a start of its own; another takes its place."""
    adapter = await rig.adapter(warm=2)
    await ready(adapter, 2)
    waiting = set(rig.microvms.living())
    result = await ran(adapter, "6 * 7")
    assert (result.status, result.value) == (Status.SUCCEEDED, 42)
    await ready(adapter, 2)
    async with asyncio.timeout(30):
        while len(rig.microvms.living()) != 2:
            await asyncio.sleep(0.01)
    assert len(waiting & set(rig.microvms.living())) == 1
    assert rig.calls("RunMicrovm") == 3


async def test_no_more_wait_than_may(rig):
    """However many programs come at once, no more than the budget wait afterwards."""
    adapter = await rig.adapter(warm=2, max_running=8)
    await ready(adapter, 2)
    results = await asyncio.gather(*(ran(adapter, f"{n}") for n in range(8)))
    assert [result.value for result in results] == list(range(8))
    await ready(adapter, 2)
    async with asyncio.timeout(30):
        while len(rig.microvms.living()) != 2:
            await asyncio.sleep(0.01)
    assert len(rig.posts()) == 8


async def test_one_that_is_gone_is_passed_over(rig):
    """One that AWS has ended meanwhile is found out before the program is sent."""
    adapter = await rig.adapter(warm=1)
    await ready(adapter, 1)
    (microvm,) = rig.microvms.living()
    await asyncio.to_thread(rig.microvms.machine(microvm).terminate, "by hand")
    assert (await ran(adapter, "6 * 7")).value == 42
    assert len(rig.posts()) == 1


async def test_one_that_has_too_little_time_left(rig):
    """A program that may take longer than a MicroVM has left gets one of its own."""
    adapter = await rig.adapter(warm=1, warm_s=60)
    await ready(adapter, 1)
    policy = OPEN.model_copy(update={"max_execution_time": 600_000})
    (waiting,) = rig.microvms.living()
    assert (await ran(adapter, "6 * 7", policy)).value == 42
    assert waiting in rig.microvms.living()


async def test_starts_that_fail_are_not_hurried(rig):
    """Where none can be started, the next try waits for a while."""
    fault = rig.account.fail("RunMicrovm", faults.denied())
    adapter = await rig.adapter(warm=3)
    warm = adapter._engine._warm
    async with asyncio.timeout(30):
        while fault.hits < 3 or warm._starting:
            await asyncio.sleep(0.01)
    for _ in range(3):
        warm._wanted.set()
        await asyncio.sleep(0.01)
    assert fault.hits == 3
    assert warm._pause_until > asyncio.get_running_loop().time()


async def test_closing_ends_those_that_wait(rig):
    """Closing the adapter leaves none, also of those that are just being started."""
    adapter = await rig.adapter(warm=3)
    await ready(adapter, 3)
    rig.account.fail("Endpoint", faults.error("BadGateway", "Bad Gateway", status=502))
    other = await rig.adapter(warm=2)
    async with asyncio.timeout(30):
        while len(rig.microvms.living()) < 5:
            await asyncio.sleep(0.01)
    await asyncio.gather(adapter.aclose(), other.aclose())
    assert rig.microvms.living() == []


async def test_one_that_has_waited_long_enough_is_replaced(rig, monkeypatch):
    """One whose time is nearly up is ended, and another is started."""
    adapter = await rig.adapter(warm=1)
    await ready(adapter, 1)
    (old,) = rig.microvms.living()
    warm = adapter._engine._warm
    monkeypatch.setattr(warm._ready[0], "_until", asyncio.get_running_loop().time())
    warm._wanted.set()
    async with asyncio.timeout(30):
        while not warm.count or old in rig.microvms.living():
            await asyncio.sleep(0.01)
    assert rig.calls("RunMicrovm") == 2
