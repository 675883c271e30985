"""Adapters that are started once for all tests, each with another way of counting; one way to run programs on them."""

import asyncio
import os
import platform
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from adapters.sandbox.adapter import SandboxAdapter
from host.interface import AdapterContext, DisplayEvent, OutputEvent
from host.models import ExecutionRequest, ExecutionResult
from host.policy import FileSystemAccess, Policy
from host.testing import missing
from host.testing.traces import count_in, leave_out

POLICY = Policy(
    name="test",
    allowed_imports=None,
    file_system_access=FileSystemAccess.SANDBOXED,
    max_execution_time=20_000,
    max_cpu_time=20_000,
    max_file_bytes=4 << 20,
    max_files=64,
)


@dataclass
class Bench:
    """A started adapter.

    Attributes:
        adapter: it.
        state: its folder.
        owner: what it calls itself.
        events: what the last runs emitted.
    """

    adapter: SandboxAdapter
    state: Path
    owner: str
    events: list[OutputEvent | DisplayEvent] = field(default_factory=list)

    async def run(self, code: str, language: str = "python", **more: Any) -> ExecutionResult:
        """Run one program. A field of a policy changes the test's policy, anything else goes into the request."""
        limits = {name: more.pop(name) for name in list(more) if name in Policy.model_fields}
        request = ExecutionRequest(code=code, language=language, **more)
        policy = Policy.model_validate({**POLICY.model_dump(), **limits})
        refusal = self.adapter.accepts(request, policy)
        assert refusal is None, refusal
        return await self.adapter.execute(request, policy, self.events.append)


WAYS: dict[str, dict[str, Any]] = {
    "warm": {"max_ready": 1},
    "warm-watched": {"max_ready": 1, "cgroup": "off"},
    "cold": {"warm": False},
    "cold-watched": {"warm": False, "cgroup": "off"},
}
"""How programs run and who counts what they use: the kernel in control groups, or the host that watches."""


class Benches:
    """Started adapters by the name of their way."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self.started: dict[str, Bench] = {}

    async def get(self, way: str) -> Bench:
        """The adapter of that way."""
        if way not in self.started:
            self.started[way] = await start(self._folders.mktemp("state"), proved=True, **WAYS[way])
            leave_out(self.started[way].adapter)
        return self.started[way]

    async def aclose(self) -> None:
        """Close them all."""
        for bench in self.started.values():
            await bench.adapter.aclose()
            count_in(bench.adapter)


_found: dict[str, bytes] = {}
"""What the first adapter found on this machine: looking again would take a second of every test."""


async def start(state: Path, *, proved: bool = False, **settings: Any) -> Bench:
    """Start an adapter on a machine that has what it needs; ``proved`` in all languages, which takes another second."""
    folder = state / SandboxAdapter.name
    folder.mkdir(parents=True)
    for name, content in _found.items():
        (folder / name).write_bytes(content)
    adapter = SandboxAdapter()
    owner = f"tests-{os.getpid()}-{state.name}"
    await adapter.start(AdapterContext(settings, state, owner))
    if proved or not _found:
        check = await adapter.check()
        if not check.ok:
            missing(f"{check.reason} {check.remedy}")
        found = [file for file in folder.glob("found-*.json") if "sql" not in file.name]  # that puts DuckDB beside it
        _found.update({file.name: file.read_bytes() for file in found})
    return Bench(adapter, state, owner)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One event loop for all tests here: an adapter belongs to the loop that it was started in."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and asyncio.iscoroutinefunction(getattr(item, "function", None)):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def start_bench() -> Any:
    """The function above, for tests that close the adapter themselves."""
    return start


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def benches(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Benches]:
    """Adapters that are started when a test wants them, and closed at the end."""
    if platform.system() != "Linux":
        missing("the local wall needs Linux")
    made = Benches(tmp_path_factory)
    yield made
    await made.aclose()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def by_default(benches: Benches) -> Bench:
    """With what this machine has: control groups where they can be made, sandboxes that are ready ahead of demand."""
    return await benches.get("warm")


@pytest.fixture(params=WAYS.values(), ids=list(WAYS))
def settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The settings of each way, for tests that start an adapter themselves."""
    found: dict[str, Any] = request.param
    return found


@pytest_asyncio.fixture(params=list(WAYS), loop_scope="session")
async def bench(request: pytest.FixtureRequest, benches: Benches) -> Bench:
    """Every way of running and of counting, one after the other."""
    found = await benches.get(request.param)
    found.events.clear()
    return found
