"""A host whose adapter keeps real interpreters alive."""

import asyncio
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


class Seen:
    """An observer: what it was told of each session, and a way to wait for an end."""

    def __init__(self):
        self.opened = []
        self.ended = {}
        self._changed = asyncio.Event()

    def take(self, info):
        """A session has ended."""
        self.ended[info.id] = info
        self._changed.set()

    async def end_of(self, session):
        """Its last state, once it has ended."""
        async with asyncio.timeout(30):
            while session.id not in self.ended:
                self._changed.clear()
                await self._changed.wait()
        return self.ended[session.id]


@pytest.fixture
def seen():
    """What the observers were told."""
    return Seen()


@pytest.fixture
def running_host(state_dir, adapter, seen):
    """Builds a host that runs everything on the live adapter; takes further settings, ``sessions__idle_ms=...``."""

    def build(*, adapter=adapter, validate=verdict, **overrides):
        plugin = SimpleNamespace(
            adapters=hookimpl(lambda: [AdapterSpec("live", lambda: adapter, "for the test")]),
            named_policies=hookimpl(lambda settings: [Policy(name="strict"), Policy(name="data", max_memory_mb=256)]),
            validate_code=hookimpl(lambda code, language, policy: validate(code)),
            session_opened=hookimpl(lambda session: seen.opened.append(session)),
            session_ended=hookimpl(lambda session: seen.take(session)),
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


@pytest.fixture
def run():
    """Runs a command in a session of a host."""

    async def run(host, session, code, **fields):
        return await host.execute(ExecutionRequest(code=code, session=session.id, **fields))

    return run
