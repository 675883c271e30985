"""Whose a session is: what a host says of the sessions of others, alive or dead."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from host.errors import OwnedElsewhere, SessionLost

PROGRAM = """
import asyncio, sys
sys.path.insert(0, sys.argv[2])
import live
from host import build_host

async def main():
    only = {"adapters__prefer": ["live"], "adapters__sandbox__enabled": False, "adapters__monty__enabled": False}
    async with build_host(plugins={"live": live}, state_dir=sys.argv[1], plugins__entry_points=False, **only) as host:
        await host.open_session("python", id="theirs")
        print("open", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
async def other_host(state_dir):
    """A host in a process of its own, with a session named ``theirs``."""
    here = Path(__file__).parent
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, str(state_dir), str(here)),
        stdout=asyncio.subprocess.PIPE,
        cwd=here.parents[2],
        env={**os.environ, "TMPDIR": str(state_dir.parent)},
    )
    assert await process.stdout.readline() == b"open\n"
    yield process
    if process.returncode is None:
        process.kill()
        await process.wait()


async def test_a_session_of_a_living_host_is_owned_elsewhere(other_host, running_host, run):
    """It cannot be used, shown, renewed or ended here, and it is not in the list."""
    async with running_host() as host:
        session = await host.store.get_session("theirs")
        for refused in (run(host, session, "1"), host.session("theirs"), host.end_session("theirs")):
            with pytest.raises(OwnedElsewhere):
                await refused
        assert host.sessions() == ()
        assert (await host.store.get_session("theirs")).ended_at is None


async def test_a_session_dies_with_its_host_and_is_lost_by_type(other_host, running_host, run):
    """After SIGKILL of its host the running neighbour says that it is lost, and so does the next host that starts."""
    async with running_host() as neighbour:
        other_host.send_signal(signal.SIGKILL)
        await other_host.wait()
        session = await neighbour.store.get_session("theirs")
        with pytest.raises(SessionLost, match="died"):
            await run(neighbour, session, "1")
        assert (await neighbour.end_session("theirs")).ended_by == "lost"


async def test_the_next_host_ends_what_the_dead_left(other_host, running_host, run):
    """A host that starts after another was killed marks its sessions as lost."""
    other_host.send_signal(signal.SIGKILL)
    await other_host.wait()
    async with running_host() as host:
        session = await host.store.get_session("theirs")
        assert (session.ended_by, session.ended_at is not None) == ("lost", True)
        with pytest.raises(SessionLost):
            await run(host, session, "1")


async def test_hosts_with_folders_of_their_own_know_each_other_by_the_store(running_host, tmp_path, run):
    """Two hosts that share a store but no folder: a session of the one is owned elsewhere for the other."""
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    async with running_host(store__url=url, state_dir=str(tmp_path / "one")) as one:
        session = await one.open_session("python")
        async with running_host(store__url=url, state_dir=str(tmp_path / "two")) as two:
            with pytest.raises(OwnedElsewhere):
                await run(two, session, "1")
            assert (await run(one, session, "1")).value == 1
