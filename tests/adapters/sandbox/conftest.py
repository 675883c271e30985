"""Adapters that are started once for all tests, each with another way of counting; one way to run programs on them."""

import asyncio
import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from adapters.sandbox.adapter import SandboxAdapter
from host.interface import AdapterContext, DisplayEvent, OutputEvent
from host.models import ExecutionRequest, ExecutionResult
from host.policy import FileSystemAccess, Policy

POLICY = Policy(
    name="test",
    allowed_imports=None,
    file_system_access=FileSystemAccess.SANDBOXED,
    max_execution_time=20_000,
    max_cpu_time=20_000,
    max_file_bytes=4 << 20,
    max_files=64,
)


def unavailable(reason: str) -> None:
    """A missing engine is a skip on a laptop and a failure where ``CI`` is set."""
    if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass
class Bench:
    """A started adapter.

    Attributes:
        adapter: it.
        events: what the last runs emitted.
    """

    adapter: SandboxAdapter
    state: Path
    events: list[OutputEvent | DisplayEvent] = field(default_factory=list)

    async def run(self, code: str, language: str = "python", **more: Any) -> ExecutionResult:
        """Run one program. A field of a policy changes the test's policy, anything else goes into the request."""
        limits = {name: more.pop(name) for name in list(more) if name in Policy.model_fields}
        request = ExecutionRequest(code=code, language=language, **more)
        policy = Policy.model_validate({**POLICY.model_dump(), **limits})
        refusal = self.adapter.accepts(request, policy)
        assert refusal is None, refusal
        return await self.adapter.execute(request, policy, self.events.append)


async def start(state: Path, **settings: Any) -> Bench:
    """Start an adapter, and be sure that it is ready."""
    adapter = SandboxAdapter()
    await adapter.start(AdapterContext(settings, state, f"tests-{os.getpid()}"))
    check = await adapter.check()
    if not check.ok:
        unavailable(f"{check.reason} {check.remedy}")
    return Bench(adapter, state)


@pytest.fixture(scope="session")
def start_bench() -> Any:
    """The function above, for tests that close the adapter themselves."""
    return start


@pytest.fixture(scope="session")
def new_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Bench]]:
    """Make adapters that are closed at the end."""
    if platform.system() != "Linux":
        unavailable("the local wall needs Linux")
    made: list[Bench] = []

    def new(**settings: Any) -> Bench:
        made.append(asyncio.run(start(tmp_path_factory.mktemp("state"), **settings)))
        return made[-1]

    yield new
    for bench in made:
        asyncio.run(bench.adapter.aclose())


@pytest.fixture(scope="session")
def by_default(new_bench: Callable[..., Bench]) -> Bench:
    """With what this machine has: control groups where they can be made."""
    return new_bench()


@pytest.fixture(scope="session")
def watched(new_bench: Callable[..., Bench]) -> Bench:
    """Without control groups: the host counts."""
    return new_bench(cgroup="off")


@pytest.fixture(params=["by_default", "watched"])
def bench(request: pytest.FixtureRequest) -> Bench:
    """Both ways of counting, one after the other."""
    found: Bench = request.getfixturevalue(request.param)
    found.events.clear()
    return found
