"""Live interpreters behind the wall: what only this wall can show; the rest is in the conformance suite."""

import asyncio
import os
import signal

import pytest
import pytest_asyncio

from host.errors import SessionLost
from host.models import ExecutionRequest, Status
from host.policy import FileSystemAccess, Policy

POLICY = Policy(
    name="test",
    allowed_imports=None,
    file_system_access=FileSystemAccess.SANDBOXED,
    max_execution_time=20_000,
    max_cpu_time=20_000,
    max_output_bytes=100_000,
)


@pytest_asyncio.fixture(loop_scope="session")
async def command(by_default):
    """Runs commands in a session of Python."""
    adapter = by_default.adapter
    await adapter.open("mine", "python", POLICY)

    async def run(code, **limits):
        policy = Policy.model_validate({**POLICY.model_dump(), **limits})
        request = ExecutionRequest(code=code, session="mine")
        return await adapter.run("mine", request, policy, lambda event: None)

    yield run
    await adapter.close("mine")


async def test_a_command_that_runs_out_of_time_gives_way(command):
    """It is interrupted as by Ctrl-C: it timed out, and the variables are still there."""
    await command("x = 41")
    late = await command("while True: pass", max_execution_time=200)
    assert late.status is Status.TIMED_OUT
    assert (await command("x + 1")).value == 42


async def test_a_command_that_does_not_give_way_is_killed(command):
    """One that catches the interrupt ends with its interpreter, and the next is told that the session is lost."""
    code = "import time\nwhile True:\n    try:\n        time.sleep(60)\n    except KeyboardInterrupt: pass"
    assert (await command(code, max_execution_time=200)).status is Status.TIMED_OUT
    with pytest.raises(SessionLost):
        await command("1")


async def test_a_child_that_floods_the_output_holds_nobody_up(command):
    """What a background process goes on writing is bounded by the command's limit, whatever became of the command."""
    flood = "import os\nif os.fork() == 0:\n    while True: os.write(1, b'x' * 65536)\n"
    async with asyncio.timeout(20):
        ended = await command(flood + "while True: pass", max_execution_time=300)
    assert ended.status in (Status.OUTPUT_LIMIT, Status.TIMED_OUT)
    assert len(ended.stdout) <= POLICY.max_output_bytes


async def test_inputs_that_nobody_reads_are_stopped_in_time(command, by_default):
    """A large command for an interpreter that is stopped ends at its deadline."""
    await command("1")
    live = by_default.adapter._sessions.get("mine")
    os.kill(live.pids()[1], signal.SIGSTOP)
    async with asyncio.timeout(20):
        ended = await command("text = " + repr("x" * 900_000), max_execution_time=300)
    assert ended.status is Status.TIMED_OUT


async def test_a_session_uses_what_it_is_charged_for(command):
    """Each command's CPU time is its own, and memory past the limit ends the session with its reason."""
    burnt = await command("import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass")
    cheap = await command("1")
    assert burnt.usage.cpu_ms >= 190
    assert cheap.usage.cpu_ms < burnt.usage.cpu_ms
    assert (await command("x = bytearray(900 << 20)")).status is Status.OUT_OF_MEMORY
