"""A host that is killed in mid-run: nobody can end its program in Lambda, so the program ends at its deadline."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from adapters.aws_lambda.adapter import LambdaAdapter
from host import ExecutionRequest, Status, build_host, load_settings
from host.hookspecs import hookimpl
from host.specs import AdapterSpec

CHECKOUT = Path(__file__).resolve().parents[3]
DEADLINE_MS = 4000
_HOST = f"""
import asyncio, sys
from host.models import ExecutionRequest, Limits
from tests.adapters.aws_lambda.test_killed_host import host_on

async def main():
    async with host_on(sys.argv[1]) as host:
        code = "import os, time\\nos.fork() or os.setsid()\\nprint('long')\\ntime.sleep(600)"
        limits = Limits(max_execution_time={DEADLINE_MS})
        await host.execute(ExecutionRequest(id="killed", code=code, policy="standard", limits=limits))

asyncio.run(main())
"""


class _Plugin:
    @hookimpl
    def adapters(self):
        yield AdapterSpec("lambda", LambdaAdapter, "under test", opt_in=True)


def host_on(state_dir):
    """A host with no adapter but this one."""
    overrides = {
        "state_dir": str(state_dir),
        "plugins.disabled": ("adapters.plugin",),
        "plugins.entry_points": False,
        "adapters.prefer": ("lambda",),
        "adapters.lambda": {"enabled": True},
    }
    return build_host(load_settings(environ={}, overrides=overrides), plugins={"under-test": _Plugin()})


async def test_a_host_that_is_killed_leaves_nothing(functions, tmp_path) -> None:
    """After SIGKILL in mid-run the program is dead at its deadline, its record is settled, and the function serves."""
    host = subprocess.Popen(
        [sys.executable, "-c", _HOST, str(tmp_path)], env={**os.environ, "PYTHONPATH": str(CHECKOUT)}
    )
    try:
        calls = functions.account.log
        (long,) = await asyncio.to_thread(calls.wait, "Invoke", timeout=90, when=_is_long)
    finally:
        host.kill()
        host.wait()
    assert not long.finished.is_set()
    assert await asyncio.to_thread(long.finished.wait, 30)
    assert [each.strays() for each in functions.pool("understudy-runner-python").environments] == [[]]
    async with host_on(tmp_path) as successor:
        record = await successor.store.get("killed")
        assert record.result.status is Status.INTERRUPTED
        assert (await successor.execute(ExecutionRequest(code="6 * 7", policy="standard"))).value == 42
    assert len(calls.calls("Invoke", when=_is_long)) == 1


def _is_long(given) -> bool:
    """Whether this is the program, and not a check's proof."""
    return b'"deadline_ms":%d' % DEADLINE_MS in given["Payload"]
