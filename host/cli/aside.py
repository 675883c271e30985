"""A host beside the command: its event loop runs in a thread, so that the main thread can wait for a person.

Only the main thread hears Ctrl-C. A loop that reads from a terminal there would be deaf to everything else.
"""

import asyncio
import threading
from collections.abc import Awaitable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import TracebackType
from typing import Self, TypeVar

from host.host import Host

__all__ = ["HostAside"]

_T = TypeVar("_T")


class HostAside:
    """A host in a thread of its own, for the time of a block. ``with HostAside(build_host(...)) as aside``.

    Attributes:
        host: call it through ``begin`` and ``wait`` alone.
    """

    host: Host

    def __init__(self, building: AbstractAsyncContextManager[Host]) -> None:
        self._building = building
        self._stack = AsyncExitStack()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="understudy-host", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self.host = self.wait(self._stack.enter_async_context(self._building))
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.wait(self._stack.aclose())
        finally:
            self._end()

    def begin(self, work: Awaitable[_T]) -> "Future[_T]":
        """Have the loop do it; what comes of it, for this thread."""

        async def done() -> _T:
            return await work

        return asyncio.run_coroutine_threadsafe(done(), self._loop)

    def wait(self, work: Awaitable[_T]) -> _T:
        """Have the loop do it, and wait. Where the wait is interrupted the work is cancelled, and waited for."""
        future = self.begin(work)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()
