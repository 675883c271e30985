"""A host that starts fills its switchboard with what is ready."""

import pytest

from host import build_host
from host.hookspecs import hookimpl
from host.interface import Capabilities, CheckResult
from host.specs import AdapterSpec
from readiness.doctor import service
from readiness.startup import put_ready_adapters_in_service


class Unready:
    """An adapter that is never ready."""

    name = "unready"

    def capabilities(self):
        return Capabilities(version="1", languages=("python",), enforcement={})

    async def start(self, context):
        pass

    async def check(self):
        return CheckResult(ok=False, reason="its engine is off.", remedy="Switch it on.")

    def accepts(self, request, policy):
        return None

    async def execute(self, request, policy, emit):
        raise NotImplementedError

    async def reap(self, dead_owners):
        return 0

    async def aclose(self):
        pass


class Plugin:
    """Brings the adapter."""

    @hookimpl
    def adapters(self):
        yield AdapterSpec("unready", Unready, "never ready")


@pytest.fixture
def overrides(state_dir):
    """A host with an adapter that is not ready before one that is."""
    return {
        "plugins": {"unready": Plugin()},
        "state_dir": state_dir,
        "adapters__prefer": ("unready", "monty", "placeholder"),
        "adapters__sandbox__enabled": False,  # its own tests start it; it takes its time
    }


async def test_the_first_ready_adapter_serves(overrides) -> None:
    """One that is not ready is passed over, and ``explain`` has its reason and remedy."""
    async with build_host(**overrides) as host:
        assert host.switchboard.current == ("monty", "placeholder")
        assert host.checks["unready"].reason == "its engine is off."
        decision = await put_ready_adapters_in_service(host)
        assert decision.reasons["unready"] == "Not ready: its engine is off. Switch it on."


async def test_doctor_says_who_serves(overrides) -> None:
    """With something that runs code in service all is well; with a stand-in alone it is not, and there is a remedy."""
    async with build_host(**overrides) as host:
        (finding,) = await service(host)
        assert finding.ok
        assert "monty serves" in finding.reason
        host.switchboard.replace(("placeholder",), "a test")
        (finding,) = await service(host)
        assert not finding.ok
        assert "placeholder stands in" in finding.reason
        assert finding.remedy
