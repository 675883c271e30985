"""The host as its callers have it: built from settings, with all plugins, closed without losing a record."""

import asyncio
from types import SimpleNamespace

import pytest

from host import ExecutionRequest, build_host
from host.errors import AdapterError, HostClosing, PluginError, UnknownPolicy
from host.hookspecs import hookimpl
from host.models import ExecutionResult
from host.specs import AdapterSpec
from host.testing.uneventful import Uneventful


class Waiting(Uneventful):
    """An adapter whose runs last until they are cancelled."""

    name = "waiting"

    def __init__(self):
        self.began = asyncio.Event()
        self.closed = False

    async def start(self, context):
        self.context = context

    async def execute(self, request, policy, emit):
        self.began.set()
        if request.code == "1":
            return ExecutionResult(id=request.id, status="succeeded", language="python", policy=policy.name)
        return await asyncio.Event().wait()

    async def aclose(self):
        self.closed = True


def bringing(*targets):
    """A plugin that brings adapters under their targets' names."""
    specs = [AdapterSpec(name, target, "for the test") for name, target in targets]
    return {"test": SimpleNamespace(adapters=hookimpl(lambda: specs))}


def only(*names):
    """Settings for a host that serves by ``names`` alone and needs no engine."""
    return {"adapters__prefer": list(names), "adapters__sandbox__enabled": False, "adapters__monty__enabled": False}


async def test_closing_stops_what_runs_and_loses_no_record(state_dir):
    """A run that outlasts the grace time is stopped, recorded as cancelled and answered; then nothing new is taken."""
    waiting = Waiting()
    plugins = bringing(("waiting", lambda: waiting))
    async with build_host(plugins=plugins, state_dir=state_dir, server__shutdown_grace_ms=0, **only("waiting")) as host:
        call = asyncio.create_task(host.execute(ExecutionRequest(code="2", id="long")))
        await waiting.began.wait()
        await host.aclose()
        assert (await call).status == "cancelled"
        assert waiting.closed
        with pytest.raises(HostClosing):
            await host.execute(ExecutionRequest(code="1"))
    async with build_host(state_dir=state_dir, **only("placeholder")) as again:
        assert (await again.store.get("long")).summary.status == "cancelled"


async def test_an_adapter_that_cannot_start_is_left_out_with_its_reason(state_dir):
    """One adapter's failure to start leaves the others serving; explain says why it does not."""

    class Broken(Waiting):
        name = "broken"

        async def start(self, context):
            raise AdapterError("no engine here.", remedy="Install one.")

    plugins = bringing(("broken", Broken), ("waiting", Waiting), ("nowhere", "no_such_module:Adapter"))
    async with build_host(plugins=plugins, state_dir=state_dir, **only("broken", "nowhere", "waiting")) as host:
        result = await host.execute(ExecutionRequest(code="1"))
        assert (result.status, result.adapter) == ("succeeded", "waiting")
        by_name = {each.adapter: each for each in result.explain}
        assert (by_name["broken"].reason, by_name["broken"].remedy) == (
            "it cannot start: no engine here.",
            "Install one.",
        )
        assert "no_such_module" in by_name["nowhere"].reason
        assert any("nowhere" in each.reason for each in host.plugins.broken)


async def test_an_adapter_gets_its_own_settings(state_dir):
    """[adapters.NAME] is handed over as plain data, with the state folder and the owner id."""
    waiting = Waiting()
    extra = {"adapters__waiting__pool": 3}
    async with build_host(
        plugins=bringing(("waiting", lambda: waiting)), state_dir=state_dir, **only("waiting"), **extra
    ) as host:
        assert waiting.context.settings["pool"] == 3
        assert waiting.context.state_dir == state_dir
        assert waiting.context.owner == host.owner


async def test_opt_in_adapters_wait_to_be_enabled(state_dir):
    """What costs money or leaves the machine is not used, whatever lies about, until configuration enables it."""
    spec = AdapterSpec("cloud", Waiting, "far away", opt_in=True)
    plugins = {"test": SimpleNamespace(adapters=hookimpl(lambda: [spec]))}
    async with build_host(plugins=plugins, state_dir=state_dir, **only("cloud", "placeholder")) as host:
        assert "cloud" not in host.registry.adapters
        assert host.registry.absent["cloud"].remedy == "Set adapters.cloud.enabled = true."


async def test_a_default_policy_that_is_not_there_refuses_the_start(state_dir):
    """A host never starts with a default that it cannot hold requests to."""
    with pytest.raises(UnknownPolicy, match="none-such"):
        async with build_host(state_dir=state_dir, policies__default="none-such", **only("placeholder")):
            pytest.fail("it started")


async def test_a_missing_required_plugin_refuses_the_start(state_dir):
    """plugins.required is a promise that the host keeps."""
    with pytest.raises(PluginError, match="acme"):
        async with build_host(state_dir=state_dir, plugins__required=["acme"], **only("placeholder")):
            pytest.fail("it started")


async def test_explain_runs_and_records_nothing(state_dir):
    """explain() answers for each adapter without an execution."""
    async with build_host(state_dir=state_dir, **only("placeholder")) as host:
        explained = host.explain(ExecutionRequest(code="1"))
        assert {each.adapter: each.chosen for each in explained}["placeholder"] is True
        assert (await host.store.list()).executions == ()
