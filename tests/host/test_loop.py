"""The loop that a program without one of its own runs a host on."""

import asyncio
import subprocess
import sys

import pytest

from host import ExecutionRequest, build_host, run
from host.loop import new_event_loop


async def _kind() -> str:
    return type(asyncio.get_running_loop()).__module__


def test_it_is_uvloops_where_that_is_installed():
    """``run`` gives back what the coroutine gives, from a loop of uvloop's."""
    assert run(_kind()).partition(".")[0] == "uvloop"


def test_it_is_asyncios_where_uvloop_is_not():
    """Without uvloop the same call works on asyncio's own loop."""
    code = "import sys; sys.modules['uvloop'] = None; import host.loop; print(host.loop.new_event_loop().__module__)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.startswith("asyncio.")


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, new_event_loop], ids=["asyncio", "quickest"])
def test_a_host_runs_on_either(new_loop, tmp_path):
    """The same program gives the same value on both, and nothing is left when the loop is closed."""

    async def main() -> object:
        async with build_host(state_dir=tmp_path, adapters__sandbox__enabled=False) as host:
            return (await host.execute(ExecutionRequest(code="sum(prices)", inputs={"prices": [3, 4]}))).value

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(main()) == 7
