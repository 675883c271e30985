"""What was acknowledged outlives its host, and the hosts that come after settle what it left."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from host.models import Status
from host.store import open_store
from host.store.owners import OwnerLock, recover_dead

LOAD = Path(__file__).with_name("load.py")


@contextlib.contextmanager
def under_load(state_dir, durability="process", at_once=16):
    """A process that begins and finishes executions as fast as it can."""
    folder = Path(__file__).parents[3]
    process = subprocess.Popen(
        [sys.executable, str(LOAD), str(state_dir), durability, str(at_once)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def heard(process, steps):
    """What the process says, until it has finished that many executions."""
    said, finished = [], 0
    while finished < steps:
        line = process.stdout.readline()
        assert line, "the process ended by itself"
        said.append(tuple(line.split()))
        finished += line.startswith("finished")
    return said


@pytest.mark.parametrize("at_once", [1, 16])
@pytest.mark.parametrize("durability", ["process", "power"])
async def test_nothing_acknowledged_is_lost_on_sigkill(state_dir, durability, at_once):
    """Killed under load, however rows are written: all that was acknowledged is there, with one end each or, after
    recovery, interrupted.
    """
    with under_load(state_dir, durability, at_once) as process:
        said = heard(process, 200)
        process.send_signal(signal.SIGKILL)
        said += [tuple(line.split()) for line in process.stdout.read().splitlines() if line.count(" ") == 1]
    owner = next(name for step, name in said if step == "owner")
    begun = {name for step, name in said if step == "begun"}
    finished = {name for step, name in said if step == "finished"}

    store, lock = await open_store(state_dir=state_dir), OwnerLock.acquire(state_dir)
    before = {name: (await store.get(name)).summary for name in begun}
    assert all(before[name].status is Status.SUCCEEDED for name in finished)
    dead, interrupted = await recover_dead(store, lock)
    lock.forget()
    assert dead == (owner,)
    after = {name: (await store.get(name)).summary for name in begun}
    assert {each.status for each in after.values()} <= {Status.SUCCEEDED, Status.INTERRUPTED}
    assert all(after[name].status is Status.SUCCEEDED for name in finished)
    lost = (await store.list(limit=500, status=Status.INTERRUPTED)).executions
    assert len(lost) == interrupted
    assert all(each.may_have_started and each.finished_at and each.reason for each in lost)
    assert await recover_dead(store, lock) == ((), 0)
    assert list((state_dir / "owners").glob("*.lock")) == [state_dir / "owners" / f"{lock.id}.lock"]
    await store.aclose()
    lock.release()


async def test_two_hosts_share_one_file(state_dir, policy, request_of, result_of):
    """While another process writes at full speed, this one's writes all go through, and it sees the other's."""
    with under_load(state_dir) as process:
        heard(process, 20)
        store = await open_store(state_dir=state_dir)
        requests = [request_of(id=f"mine-{number}") for number in range(40)]

        async def one(request):
            await store.begin(request, policy, owner="me")
            assert await store.finish(request, policy, result_of(request))

        await asyncio.gather(*map(one, requests))
        (_, theirs) = heard(process, 20)[-1]
    assert (await store.get("mine-39")).summary.status is Status.SUCCEEDED
    assert (await store.get(theirs)).summary.status is Status.SUCCEEDED
    await store.aclose()


async def test_a_living_host_is_left_alone(state_dir, store, policy, request_of):
    """Recovery touches nothing of a host whose lock is held, in this process or another."""
    here, other = OwnerLock.acquire(state_dir), OwnerLock.acquire(state_dir)
    await store.register(other.info)
    request = request_of()
    await store.begin(request, policy, owner=other.id)
    assert await recover_dead(store, here) == ((), 0)
    assert (await store.get(request.id)).summary.status is None
    with under_load(state_dir) as process:
        heard(process, 1)
        assert await recover_dead(store, here) == ((), 0)
    here.release()
    other.release()


async def test_a_host_that_closed_without_an_end_is_recovered_too(state_dir, store, policy, request_of):
    """A host that gave its lock back but could not write an end (a full disk, say) leaves nothing open for ever."""
    gone, here = OwnerLock.acquire(state_dir), OwnerLock.acquire(state_dir)
    await store.register(gone.info)
    request = request_of()
    await store.begin(request, policy, owner=gone.id)
    gone.release()
    assert await recover_dead(store, here) == ((gone.id,), 1)
    assert (await store.get(request.id)).summary.status is Status.INTERRUPTED
    here.release()


async def test_one_host_alone_cleans_up(state_dir):
    """The dead are given to the first host that asks, and to nobody else until it has forgotten them."""
    first, second, third = (OwnerLock.acquire(state_dir) for _ in range(3))
    os.close(third._descriptor)  # as the kernel does when a process dies
    assert first.dead() == (third.id,)
    assert second.dead() == ()
    assert first.dead() == (third.id,)
    first.forget()
    assert first.dead() == second.dead() == ()
    first.release()
    second.release()
    assert list((state_dir / "owners").iterdir()) == []


def test_releasing_twice_is_no_error(state_dir):
    """A lock that was given back stays given back."""
    lock = OwnerLock.acquire(state_dir)
    lock.release()
    lock.release()


@pytest.mark.parametrize("place", ["file", "folder"])
def test_a_state_folder_that_cannot_be_written_is_named(tmp_path, place):
    """OwnerLock says which folder it is and what to do."""
    from host.errors import StoreError

    blocked = tmp_path / "blocked"
    blocked.write_text("")
    target = blocked if place == "file" else blocked / "below"
    with pytest.raises(StoreError, match="blocked") as raised:
        OwnerLock.acquire(target)
    assert "state_dir" in raised.value.remedy
