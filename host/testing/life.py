"""Conformance while programs run: streams, cancelling, closing, many at once."""

# ruff: noqa: S101 - assert is how a test speaks

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from host.errors import AdapterError
from host.interface import OutputEvent, Refusal
from host.models import ExecutionResult
from host.testing.bench import Recorder
from host.testing.cases import ENDLESS, GREETINGS, SLOW_CHARACTERS
from host.testing.harness import Harness
from host.testing.traces import Traces, look, settled

__all__ = ["LifeConformance"]


class LifeConformance(Harness):
    """The part of ``AdapterConformance`` that looks at programs while they run."""

    def test_characters_are_whole(self) -> None:
        """Characters that are written byte by byte are emitted whole and in order."""
        claims = self.bench.adapter.capabilities()
        if not (claims.runs_code and claims.streaming and "python" in claims.languages):
            return
        emitted = Recorder()
        result = self._ran(self._request(SLOW_CHARACTERS, "python"), emitted)
        if result is None:
            return
        assert result.stdout == "\U0001f600\u00e9\u20ac" * 20
        assert emitted.text("stdout") == result.stdout
        texts = [event.text for event in emitted.events if isinstance(event, OutputEvent)]
        assert all(texts), "no event is empty"
        assert not any("\ufffd" in text for text in texts)

    def test_cancel_stops_the_program(self, endless: str | None) -> None:
        """When CancelledError comes back the program and all it started are dead and nothing of it is left."""
        if endless is None:
            return
        folder = Path(self._state.name)
        before = look(folder)

        async def cancelled() -> list[str] | None:
            emitted = Recorder()
            request = self._request(ENDLESS[endless], endless)
            task = asyncio.ensure_future(self.bench.execute_async(request, self.policy, emitted))
            await self._begun(task, emitted)
            if task.done():
                self._counted(task.result(), endless, f"{endless}-endless")
                return None
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return look(folder).left_since(before)

        left = self.bench.run(cancelled())
        if left and not [line for line in left if "process" not in line]:
            left = settled(before, folder, within_s=0.5)  # a pool may have replaced its worker already
        assert not left, left

    async def _begun(self, task: "asyncio.Future[Any]", emitted: Recorder) -> None:
        """Return once the program has said that it is there; where nothing is streamed, once it had time to start."""
        if self.bench.adapter.capabilities().streaming:
            waiting = asyncio.ensure_future(emitted.wait_for("ready"))
            await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
        else:
            await asyncio.wait((task,), timeout=0.5)

    def test_closing_ends_what_runs(self, endless: str | None) -> None:
        """Closing an adapter ends its runs, each with a result or an AdapterError, and leaves nothing."""
        if endless is None:
            return
        folder = Path(self._state.name)
        before = look(folder)

        async def closed() -> tuple[Any, Traces]:
            adapter = await self.bench.another()
            greeting = self._request(GREETINGS[endless], endless)
            await self.bench.execute_async(greeting, self.policy, adapter=adapter)  # what it caches is no leftover
            cached = replace(before, files=look(folder).files)
            emitted = Recorder()
            request = self._request(ENDLESS[endless], endless)
            task = asyncio.ensure_future(self.bench.execute_async(request, self.policy, emitted, adapter))
            await self._begun(task, emitted)
            await adapter.aclose()
            async with asyncio.timeout(10):
                return (await asyncio.gather(task, return_exceptions=True))[0], cached

        ended, cached = self.bench.run(closed())
        assert isinstance(ended, ExecutionResult | Refusal | AdapterError | asyncio.CancelledError), repr(ended)
        left = settled(cached, folder)
        assert not left, left

    def test_many_at_once(self, language: str | None) -> None:
        """Eight runs at the same time keep their inputs, values and output apart."""
        if language is None or not self.bench.adapter.capabilities().runs_code:
            return
        code = {
            "python": "print('n is', n)\nresult = [n, tag]",
            "bash": 'echo "n is ${inputs[n]}"; result="${inputs[tag]}"',
        }.get(language)
        if code is None:
            return

        async def many() -> list[ExecutionResult | Refusal]:
            requests = [self._request(code, language, inputs={"n": n, "tag": f"run-{n}"}) for n in range(8)]
            return await asyncio.gather(*(self.bench.execute_async(request, self.policy) for request in requests))

        for n, result in enumerate(self.bench.run(many())):
            if self._counted(result, language, f"{language}-many") is None:
                return
            assert isinstance(result, ExecutionResult)
            assert result.stdout == f"n is {n}\n"
            assert result.value == ([n, f"run-{n}"] if language == "python" else f"run-{n}")
