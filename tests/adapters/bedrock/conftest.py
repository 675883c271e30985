"""The adapter on emulated services in this process, where a test can make them fail and count what they are asked."""

import asyncio
from dataclasses import asdict
from pathlib import Path

import pytest

from adapters.bedrock.adapter import BedrockAdapter
from adapters.bedrock.found import Memory
from host.interface import AdapterContext, discard
from host.models import ExecutionRequest
from tests.adapters.bedrock.emulated import OPEN
from tests.emulators.fixtures import agentcore, emulate

__all__ = ["agentcore", "emulate"]

_learned = []


class Bedrock:
    """An adapter that was started, and the service that it speaks to."""

    def __init__(self, adapter, account):
        self.adapter = adapter
        self.account = account
        self.service = account.services["bedrock-agentcore"]

    async def run(self, code, language="python", policy=OPEN, emit=discard, **fields):
        """Run a program that the adapter has to take."""
        request = ExecutionRequest(code=code, language=language, policy=policy.name, **fields)
        tight = policy.tighten(request.limits)
        assert self.adapter.accepts(request, tight) is None
        return await self.adapter.execute(request, tight, emit)

    async def command(self, session, code, policy=OPEN, **fields):
        """Run a command in a session."""
        request = ExecutionRequest(code=code, session=session, **fields)
        return await self.adapter.run(session, request, policy.tighten(request.limits), discard)

    def sent(self, text, **only):
        """The calls that had the session run something with this text in it."""
        return self.account.log.calls("InvokeCodeInterpreter", when=lambda given: text in told(given), **only)

    async def nothing_runs(self, within_s=10):
        """Wait until every session is stopped: that is done behind a result."""
        async with asyncio.timeout(within_s):
            while self.service.running():
                await asyncio.sleep(0.01)


def told(given):
    """What a call of a tool has the session run."""
    arguments = given.get("arguments") or {}
    return arguments.get("command") or arguments.get("code") or ""


@pytest.fixture
def start(agentcore, state_dir):
    """Starts adapters; what is in the interpreter they know already, unless they are to find out."""

    async def begin(*, knows=True, owner="owner", languages=None, **settings):
        adapter = BedrockAdapter()
        if knows and _learned:
            _remember(state_dir, _learned[0], settings)
        context = AdapterContext({"warm": False, **settings}, state_dir, owner, languages)
        await adapter.start(context)
        if knows and not _learned and adapter.capabilities().languages:
            _learned.append(adapter._memory.found)
        started.append(adapter)
        bedrock = Bedrock(adapter, agentcore)
        await bedrock.nothing_runs()
        if knows:
            agentcore.log.clear()
        return bedrock

    started = []
    yield begin
    assert all(adapter._tidying is None or adapter._tidying.done() for adapter in started), "close it"


@pytest.fixture
async def bedrock(start):
    """An adapter that keeps nothing warm. Whatever happens, nothing of it is left."""
    one = await start()
    yield one
    await one.adapter.aclose()
    assert one.service.running() == []


def _remember(state_dir: Path, found, settings) -> None:
    interpreter = settings.get("interpreter", "aws.codeinterpreter.v1")
    memory = Memory(
        state_dir / "bedrock", f"{interpreter}-{settings.get('profile', '')}-{settings.get('region', 'default')}"
    )
    memory.learn(type(found)(**{name: getattr(found, name) for name in asdict(found)}))
