"""A service that is really served, in a process of its own, and the load on it."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Load", "Service", "served"]

_HOUSE = Path(__file__).resolve().parents[1]
_UNDERSTUDY = "from host.cli.main import run; run()"
_GENERATOR = Path(__file__).with_name("load.py")


@dataclass(frozen=True, slots=True)
class Load:
    """What came of a load.

    Attributes:
        rate: runs a second.
        failures: how answers began that were not a run that succeeded.
        seconds: how long each answer took.
    """

    rate: float
    failures: list[str]
    seconds: list[float]


@dataclass(frozen=True, slots=True)
class Service:
    """A running service. ``pid`` is its process, ``port`` where it listens on this machine."""

    pid: int
    port: int

    async def load(self, connections: int, seconds: float, language: str = "python") -> Load:
        """Keep ``connections`` requests under way for a while, from another process.

        Raises:
            RuntimeError: the generator failed.
        """
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", _GENERATOR, str(self.port), str(connections), str(seconds), language),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, err = await process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"the load generator failed: {err.decode(errors='replace')[-400:]}")
        found = json.loads(out)
        return Load(found["runs_per_s"], found["failures"], found["seconds"])


@contextlib.asynccontextmanager
async def served(state_dir: Path, **settings: Any) -> AsyncIterator[Service]:
    """``understudy serve`` on a free port, stopped at the end.

    Args:
        state_dir: a folder of its own.
        settings: by dotted name, with ``__`` for the dot.

    Raises:
        RuntimeError: it did not start.
    """
    given = {"state_dir": str(state_dir), "plugins__entry_points": False, "logs__level": "error", **settings}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UNDERSTUDY_")}
    environment.update({f"UNDERSTUDY_{name.upper()}": _text(value) for name, value in given.items()})
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _UNDERSTUDY, "serve", "--port", "0", "--json"),
        cwd=_HOUSE,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    try:
        said = await process.stdout.readline() if process.stdout else b""
        if not said:
            raise RuntimeError(f"understudy serve ended with {await process.wait()}")
        yield Service(process.pid, int(json.loads(said)["url"].rpartition(":")[2]))
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await process.wait()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
