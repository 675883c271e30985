"""A whole host around one adapter and one policy."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host.hookspecs import hookimpl
from host.host import build_host
from host.models import ExecutionRequest, ExecutionResult
from host.policy import Policy
from host.settings import load_settings
from host.specs import AdapterSpec

if TYPE_CHECKING:
    from host.testing.harness import Harness

__all__ = ["run_through_host"]


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
        return await host.execute(ExecutionRequest(code=code, language=language, adapter=name))
