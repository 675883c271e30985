"""Events on their way from a thread to the event loop."""

import asyncio
import threading
from typing import Any

__all__ = ["Handover"]

_IN_HAND = 256  # events that the loop has not taken yet
_END = object()


class Handover:
    """Takes events in a thread and gives them in the loop, in their order: ``async for event in handover``.

    Attributes:
        begun: whether one has come.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.begun = False
        self._loop = loop
        self._events: asyncio.Queue[Any] = asyncio.Queue()
        self._places = threading.Semaphore(_IN_HAND)
        self._abandoned = False
        self._reading: asyncio.Future[None] | None = None

    def put(self, event: Any) -> None:
        """In the thread: hand one over, and wait while the loop has many in hand."""
        self.begun = True
        if self._abandoned:
            return
        self._places.acquire()
        try:
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)
        except RuntimeError:  # the loop was closed meanwhile: nobody takes them
            self._abandoned = True

    def follow(self, reading: "asyncio.Future[None]") -> None:
        """In the loop: the end of ``reading`` is the end of the events, and its error theirs."""
        self._reading = reading
        reading.add_done_callback(lambda _: self._events.put_nowait(_END))

    def abandon(self) -> None:
        """In the loop: nobody takes any more, and the thread drops what comes."""
        self._abandoned = True
        self._places.release()  # for the thread, should it be waiting
        if self._reading is None:
            return
        if not self._reading.cancel() and not self._reading.cancelled():
            self._reading.exception()  # seen already, or of no interest any more

    def __aiter__(self) -> "Handover":
        return self

    async def __anext__(self) -> Any:
        """The next event.

        Raises:
            AwsError: the call failed.
        """
        event = await self._events.get()
        if event is not _END:
            self._places.release()
            return event
        self._events.put_nowait(_END)  # for whoever asks once more
        assert self._reading is not None  # noqa: S101 - the end comes from it
        self._reading.result()
        raise StopAsyncIteration
