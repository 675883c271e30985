"""A private event loop and one started adapter, so that the suite needs no asyncio plugin and works in any pytest."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from host.interface import Adapter, AdapterContext, DisplayEvent, Emit, OutputEvent, Refusal, discard
from host.models import ExecutionRequest, ExecutionResult
from host.policy import Policy

__all__ = ["Bench", "Recorder"]

_T = TypeVar("_T")


class Recorder:
    """An ``Emit`` that keeps what it is given and can wait for a piece of text."""

    def __init__(self) -> None:
        self.events: list[OutputEvent | DisplayEvent] = []
        self._changed = asyncio.Event()

    def __call__(self, event: OutputEvent | DisplayEvent) -> None:
        self.events.append(event)
        self._changed.set()

    def text(self, stream: str) -> str:
        """All that was emitted on one stream."""
        return "".join(event.text for event in self.events if isinstance(event, OutputEvent) and event.stream == stream)

    async def wait_for(self, text: str, within_s: float = 30.0) -> None:
        """Return once ``text`` has been seen on stdout."""
        async with asyncio.timeout(within_s):
            while text not in self.text("stdout"):
                self._changed.clear()
                await self._changed.wait()


class Bench:
    """An adapter, started, with a loop of its own in a thread of its own."""

    def __init__(self, make: Callable[[], Adapter], state_dir: Path, settings: dict[str, Any], owner: str) -> None:
        self._make = make
        self._context = AdapterContext(settings=settings, state_dir=state_dir, owner=owner)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="conformance", daemon=True)
        self._thread.start()
        self.adapter = make()
        try:
            self.run(self.adapter.start(self._context))
        except BaseException:
            self._stop()
            raise

    async def another(self) -> Adapter:
        """One more adapter of the kind, started; the caller closes it."""
        adapter = self._make()
        await adapter.start(self._context)
        return adapter

    def run(self, work: Awaitable[_T], within_s: float = 100.0) -> _T:
        """Run to the end on the bench's loop."""

        async def bounded() -> _T:
            async with asyncio.timeout(within_s):
                return await work

        return asyncio.run_coroutine_threadsafe(bounded(), self._loop).result()

    def execute(self, request: ExecutionRequest, policy: Policy, emit: Emit = discard) -> ExecutionResult | Refusal:
        """Run one request under the policy that its limits make of ``policy``, or say why the adapter declines it."""
        return self.run(self.execute_async(request, policy, emit))

    async def execute_async(
        self, request: ExecutionRequest, policy: Policy, emit: Emit = discard, adapter: Adapter | None = None
    ) -> ExecutionResult | Refusal:
        """As ``execute``, on the loop."""
        chosen = adapter or self.adapter
        tight = policy.tighten(request.limits)
        return chosen.accepts(request, tight) or await chosen.execute(request, tight, emit)

    def close(self) -> None:
        """Close the adapter and the loop."""
        try:
            self.run(self.adapter.aclose())
        finally:
            self._stop()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
