"""What the measures work on: hosts with and without warm guests, a service, and how much of everything to do."""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.hosts import require, started
from benchmarks.service import Service, served
from host import ExecutionRequest, ExecutionResult, Host

__all__ = ["FULL", "POLICY", "QUICK", "Bench", "Effort", "prepared", "run_in"]

_WORKSPACE = Path(__file__).resolve().parents[1] / "build" / "benchmarks"
_PACKAGES = ("numpy", "pandas")
POLICY = "strict"
"""The policy of every run but those that say another: the default one, so what a request gets that names none."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much to do.

    Attributes:
        rounds: how often each quick thing is timed; slow ones take part in fewer rounds.
        settle_s: the pause between two timings, so that neither pays for the other.
        window_s: how long one rate is measured.
        windows: how often each rate is measured.
        concurrency: how many runs are under way at once, one after the other.
        bursts: bursts of a hundred.
        repeats: sessions, runs on tables.
        deadlines: runs that are stopped.
    """

    rounds: int
    settle_s: float
    window_s: float
    windows: int
    concurrency: tuple[int, ...]
    bursts: int
    repeats: int
    deadlines: int


FULL = Effort(400, 0.004, 1.0, 2, (1, 2, 4, 8, 16, 32, 64), 5, 40, 40)
QUICK = Effort(2, 0.0, 0.1, 1, (1, 2), 1, 1, 2)


@dataclass(slots=True)
class Bench:
    """All that is running.

    Attributes:
        warm, cold: hosts in this process, with warm guests and without.
        service: a host in a process of its own, which serves HTTP.
        effort: how much to do.
        folder: for what a measure writes; gone afterwards.
        engines: whether containers take part.
        image: a container image with python3 in it, by name; None looks for one.
        llm_sandbox: a Python that has llm-sandbox installed, or None.
        absent: what could not be measured here, and why.
    """

    warm: Host
    cold: Host
    service: Service
    effort: Effort
    folder: Path
    engines: bool = True
    image: str | None = None
    llm_sandbox: Path | None = None
    absent: dict[str, str] = field(default_factory=dict)


async def run_in(host: Host, code: str = "1 + 1", **more: Any) -> ExecutionResult:
    """Run a program on the sandbox, and be sure that it succeeded.

    Raises:
        RuntimeError: it did not.
    """
    request = ExecutionRequest(code=code, **{"policy": POLICY, "adapter": "sandbox", **more})
    result = await host.execute(request)
    if result.status != "succeeded":
        raise RuntimeError(f"{request.language} on {request.adapter} {result.status}: {result.reason}")
    return result


@contextlib.asynccontextmanager
async def prepared(effort: Effort, workspace: Path = _WORKSPACE, **more: Any) -> AsyncIterator[Bench]:
    """Start everything.

    Args:
        effort: how much to do.
        workspace: state folders that stay, for the guest environments in them.
        more: further fields of ``Bench``.

    Raises:
        SystemExit: there is no wall here, so there is nothing to measure.
    """
    absent: dict[str, str] = {}
    await asyncio.to_thread(_build_packages, workspace / "warm", absent, build=effort is not QUICK)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))

        def records(name: str) -> str:
            return f"sqlite:///{folder / name}.db"  # fresh, while the state folder stays

        warm = await stack.enter_async_context(started(workspace / "warm", store__url=records("warm")))
        require(warm, "sandbox")
        off = {"adapters__sandbox__warm": False, "store__url": records("cold")}
        cold = await stack.enter_async_context(started(workspace / "cold", **off))
        service = await stack.enter_async_context(served(workspace / "service", store__url=records("service")))
        yield Bench(warm, cold, service, effort, folder, absent=absent, **more)


def _build_packages(state_dir: Path, absent: dict[str, str], *, build: bool) -> None:
    """Have numpy and pandas in the guest environment ``data`` of this state folder."""
    from adapters.guest.builds import add
    from adapters.guest.environments import Environments, GuestEnvironmentError

    environments = Environments(state_dir)
    if set(_PACKAGES) <= set(environments.get("data").packages):
        return
    try:
        if not build:
            raise GuestEnvironmentError("it is not built for a short run.")
        add(environments, "data", _PACKAGES)
    except GuestEnvironmentError as error:
        shutil.rmtree(environments.folder / "data", ignore_errors=True)
        absent["pandas"] = f"no guest environment with pandas: {error}"
