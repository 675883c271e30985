"""Following runs: start one and follow it, join one that is going on, and read what has just ended once more."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Protocol

from host.errors import InvalidRequest, OwnedElsewhere, RequestError, StoreError
from host.events import get_logger
from host.models import ExecutionRequest, ExecutionResult
from host.settings import StreamSettings
from host.store.interface import Store
from host.streams import FinishedEvent, Stream, StreamEvent

__all__ = ["Following"]


_log = get_logger("understudy.following")


class _Followed(Protocol):
    """A run that can be told of: ``Running`` of the dispatcher."""

    stream: Stream | None

    def tell(self, stream: Stream) -> None: ...


class Following:
    """The streams of one host: those of what runs are with the runs, the ended ones here for a while.

    Args:
        settings: how long and how many.
        running: what runs now, by id.
        execute: runs a request and tells a stream of it.
        cancel: stops one by id, and says why.
        store: the records.
        owner: the host's id in them.
    """

    def __init__(
        self,
        settings: StreamSettings,
        running: Mapping[str, _Followed],
        execute: Callable[[ExecutionRequest, Stream], Awaitable[ExecutionResult]],
        cancel: Callable[[str, str], Awaitable[bool]],
        store: Store,
        owner: str,
    ) -> None:
        self._settings = settings
        self._running = running
        self._execute = execute
        self._cancel = cancel
        self._store = store
        self._owner = owner
        self._kept = _Kept(settings)
        self._tasks: set[asyncio.Task[object]] = set()

    async def stream(self, request: ExecutionRequest, linger_ms: int) -> AsyncGenerator[StreamEvent, None]:
        """See ``Host.stream``."""
        stream = self._new(request.id)
        run = self._in_background(self._run(request, stream))
        if linger_ms:
            stream.on_audience = _Lingering(stream, linger_ms, self._abandon).count
        try:
            async with aclosing(stream.follow()) as events:
                async for each in events:
                    yield each
        finally:
            if not linger_ms:
                await _stopped(run)

    async def attach(self, execution_id: str, after: int) -> AsyncGenerator[StreamEvent, None]:
        """See ``Host.attach``."""
        if after < 0:
            raise InvalidRequest(f"after is {after}; events are numbered from 1, and 0 asks for all.")
        stream = self._of(execution_id)
        if stream is None:
            record = await self._store.get(execution_id)
            stream = self._of(execution_id)  # it may have begun meanwhile
            if stream is None and record.result is None:  # or ended
                record = await self._store.get(execution_id)
            if stream is None and record.result is not None:
                yield StreamEvent(after + 1, FinishedEvent(record.result))
                return
            if stream is None:
                raise self._endless(execution_id, record.owner)
        async with aclosing(stream.follow(after)) as events:
            async for each in events:
                yield each

    def close(self) -> None:
        """Let go of what has ended."""
        self._kept.clear()

    def _of(self, execution_id: str) -> Stream | None:
        """The stream of what runs or has just ended."""
        running = self._running.get(execution_id)
        if running is None:
            return self._kept.get(execution_id)
        if running.stream is None:
            running.tell(self._new(execution_id))
        return running.stream

    def _new(self, execution_id: str) -> Stream:
        return Stream(execution_id, self._settings.window_ms / 1000, self._kept.put)

    async def _run(self, request: ExecutionRequest, stream: Stream) -> None:
        try:
            await self._execute(request, stream)
        except BaseException as error:  # its followers get it
            stream.fail(error)
            if not isinstance(error, Exception):
                raise
            if not isinstance(error, RequestError):  # perhaps nobody follows
                _log.warning("followed_run_failed", execution=request.id, reason=str(error))

    def _abandon(self, stream: Stream, linger_ms: int) -> None:
        because = f"Nobody followed its stream for {linger_ms} ms."
        self._in_background(self._cancel(stream.id, because))

    def _in_background(self, work: Awaitable[object]) -> "asyncio.Future[object]":
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _endless(self, execution_id: str, owner: str) -> Exception:
        if owner != self._owner:
            return OwnedElsewhere(f"another host runs {execution_id!r}.", remedy="Follow it there.")
        return StoreError(
            f"execution {execution_id!r} has ended, and its end could not be recorded.",
            remedy="The next host on this store records it as interrupted.",
        )


class _Kept:
    """The streams that have ended, for a while: not too long, not too many, not too large."""

    def __init__(self, settings: StreamSettings) -> None:
        self._settings = settings
        self._streams: OrderedDict[str, tuple[Stream, int, asyncio.TimerHandle]] = OrderedDict()
        self._bytes = 0

    def get(self, execution_id: str) -> Stream | None:
        found = self._streams.get(execution_id)
        return found[0] if found else None

    def put(self, stream: Stream) -> None:
        """Keep one that has ended, if there was anything in it."""
        if stream.id in self._streams:  # of long ago: its record was removed and its id used again
            self._drop(stream.id)
        size, settings = stream.size_bytes, self._settings
        if not (stream.started and settings.keep_ms and settings.keep_count and size <= settings.keep_bytes):
            return
        while len(self._streams) >= settings.keep_count or self._bytes + size > settings.keep_bytes:
            self._drop(next(iter(self._streams)))
        timer = asyncio.get_running_loop().call_later(settings.keep_ms / 1000, self._drop, stream.id)
        self._streams[stream.id] = (stream, size, timer)
        self._bytes += size

    def clear(self) -> None:
        for execution_id in list(self._streams):
            self._drop(execution_id)

    def _drop(self, execution_id: str) -> None:
        _, size, timer = self._streams.pop(execution_id)
        timer.cancel()
        self._bytes -= size


class _Lingering:
    """Ends a run for which nobody came back."""

    def __init__(self, stream: Stream, linger_ms: int, abandon: Callable[[Stream, int], None]) -> None:
        self._stream = stream
        self._linger_ms = linger_ms
        self._abandon = abandon
        self._timer: asyncio.TimerHandle | None = None

    def count(self, followers: int) -> None:
        """Somebody came, or left."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not followers and not self._stream.ended:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._linger_ms / 1000, self._abandon, self._stream, self._linger_ms)


async def _stopped(run: "asyncio.Future[object]") -> None:
    """Stop what may still run, and wait until it is dead and recorded, however often the caller is told to hurry."""
    run.cancel()
    hurried: asyncio.CancelledError | None = None
    while not run.done():
        try:
            await asyncio.wait((run,))
        except asyncio.CancelledError as error:
            hurried = error
    if hurried is not None:
        raise hurried
