"""The wheel: what is installed from it needs nothing of the checkout."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

_CHECKOUT = Path(__file__).parents[1]
_PROGRAM = """
import asyncio, json, pathlib, sys
import host
from host import ExecutionRequest, build_host

async def main(state):
    async with build_host(state_dir=pathlib.Path(state), adapters__sandbox__enabled=False) as running:
        result = await running.execute(ExecutionRequest(code="6 * 7"))
        print(json.dumps([host.__file__, sorted(running.policies), result.status, result.value]))

asyncio.run(main(sys.argv[1]))
"""


def test_the_wheel_carries_settings_policies_and_migrations(tmp_path):
    """From an unpacked wheel alone a host starts with its settings and policies, migrates, and runs a program."""
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*build, "--wheel-dir", tmp_path, _CHECKOUT], check=True, timeout=100)
    (wheel,) = tmp_path.glob("understudy-*.whl")
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    command = [sys.executable, "-c", _PROGRAM, str(tmp_path / "state")]
    environment = {"PYTHONPATH": str(unpacked), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    where, policies, status, value = json.loads(done.stdout)
    assert Path(where).is_relative_to(unpacked)
    assert {"strict", "standard", "data"} <= set(policies)
    assert (status, value) == ("succeeded", 42)
