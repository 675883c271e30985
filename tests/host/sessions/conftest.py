"""A host whose adapter keeps real interpreters alive."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

from host import ExecutionRequest, build_host
from host.hookspecs import hookimpl
from host.models import Verdict
from host.policy import Policy
from host.specs import AdapterSpec

_spec = importlib.util.spec_from_file_location("understudy_test_live", Path(__file__).with_name("live.py"))
live = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(live)


@pytest.fixture
def adapter():
    """The adapter behind the host."""
    return live.Live()


@pytest.fixture
def seen():
    """What the observers were told: (hook, session) in order."""
    return []


@pytest.fixture
def running_host(state_dir, adapter, seen):
    """Builds a host that runs everything on the live adapter; takes further settings, ``sessions__idle_ms=...``."""

    def build(*, adapter=adapter, **overrides):
        plugin = SimpleNamespace(
            adapters=hookimpl(lambda: [AdapterSpec("live", lambda: adapter, "for the test")]),
            named_policies=hookimpl(lambda settings: [Policy(name="strict"), Policy(name="data", max_memory_mb=256)]),
            validate_code=hookimpl(lambda code, language, policy: verdict(code)),
            session_opened=hookimpl(lambda session: seen.append(("opened", session))),
            session_ended=hookimpl(lambda session: seen.append(("ended", session))),
        )
        settings = {
            "adapters__prefer": ["live"],
            "adapters__sandbox__enabled": False,
            "adapters__monty__enabled": False,
            "plugins__entry_points": False,
            "plugins__disabled": ["policies.plugin", "voice_handler.plugin"],
            "state_dir": str(state_dir),
        }
        return build_host(plugins={"test": plugin}, **{**settings, **overrides})

    return build


def verdict(code):
    """Nothing is wrong with any program but one."""
    return Verdict(verdict="denied" if code == "import os" else "safe", deterministic=True, effect_free=True)


@pytest.fixture
async def host(running_host):
    """A running host."""
    async with running_host() as host:
        yield host


def command(session, code, **fields):
    """A command in a session."""
    return ExecutionRequest(code=code, session=session.id, **fields)


@pytest.fixture
def run(host):
    """Runs a command in a session of the host."""

    async def run(session, code, **fields):
        return await host.execute(command(session, code, **fields))

    return run
