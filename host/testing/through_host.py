"""A whole host around one adapter and one policy."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host.hookspecs import hookimpl
from host.host import Host, build_host
from host.models import ExecutionRequest, ExecutionResult
from host.policy import Policy
from host.settings import load_settings
from host.specs import AdapterSpec

if TYPE_CHECKING:
    from host.testing.harness import Harness

__all__ = ["run_through_host", "sessions_through_host"]


class _OneAdapter:
    """A plugin that brings one adapter and one policy."""

    def __init__(self, spec: AdapterSpec, policy: Policy) -> None:
        self._spec = spec
        self._policy = policy

    @hookimpl
    def adapters(self) -> Iterator[AdapterSpec]:
        yield self._spec

    @hookimpl
    def named_policies(self, settings: Any) -> Iterator[Policy]:
        yield self._policy


async def run_through_host(
    suite: "type[Harness]", folder: Path, policy: Policy, code: str, language: str
) -> ExecutionResult:
    """Run ``code`` on a host that has the suite's adapter and no other."""
    async with _host(suite, folder, policy) as host:
        return await host.execute(ExecutionRequest(code=code, language=language, adapter=_name(host)))


async def sessions_through_host(
    suite: "type[Harness]", folder: Path, policy: Policy, language: str, codes: Sequence[str]
) -> tuple[list[ExecutionResult], list[str]]:
    """Run ``codes`` in one session, all at once; their results, and the ids that history has, oldest first."""
    async with _host(suite, folder, policy) as host:
        session = await host.open_session(language)
        requests = [ExecutionRequest(code=code, session=session.id) for code in codes]
        results = await asyncio.gather(*map(host.execute, requests))
        page = await host.store.list(session=session.id)
        return results, [line.id for line in reversed(page.executions)]


@asynccontextmanager
async def _host(suite: "type[Harness]", folder: Path, policy: Policy) -> AsyncIterator[Host]:
    name = suite.make_adapter().name
    settings = load_settings(
        environ={},
        overrides={
            "plugins.disabled": ("adapters.plugin",),
            "plugins.entry_points": False,
            "state_dir": str(folder / "host"),
            "policies.default": policy.name,
            "adapters.prefer": (name,),
            f"adapters.{name}": {**suite.settings, "enabled": True},
        },
    )
    plugin = _OneAdapter(AdapterSpec(name, suite.make_adapter, "under test"), policy)
    async with build_host(settings, plugins={"conformance": plugin}) as host:
        yield host


def _name(host: Host) -> str:
    """The one adapter that was asked for."""
    (name,) = host.settings.adapters.prefer
    return name
