"""Threads that wait for blocking calls, so that the event loop need not.

They are daemons of our own and no ``ThreadPoolExecutor``: its threads are joined when the interpreter ends, and one
that waits for an answer would hold the process up until its socket gives in, minutes later.
"""

import asyncio
import contextlib
import itertools
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["ClosedThreads", "NotSent", "Threads", "Ticket"]

_T = TypeVar("_T")


class ClosedThreads(Exception):
    """The threads were closed before the call had ended."""


class NotSent(Exception):
    """Nobody waits for the call any more, so it was not sent."""


class Ticket:
    """Whether one call was sent.

    Once it is given up it is never sent, so ``sent`` is exact from then on, however the threads race.

    Attributes:
        sent: whether the request has left this machine, at least in part.
    """

    __slots__ = ("_given_up", "_lock", "sent")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._given_up = False
        self.sent = False

    def send(self) -> None:
        """Called by the thread right before the request goes out.

        Raises:
            NotSent: nobody waits for it any more; the request must not go out.
        """
        with self._lock:
            if self._given_up:
                raise NotSent
            self.sent = True

    def give_up(self) -> None:
        """Nobody waits for the answer any more."""
        with self._lock:
            self._given_up = True

    @property
    def given_up(self) -> bool:
        """Whether nobody waits for it any more."""
        return self._given_up


class _Job:
    """One piece of work, and who waits for it."""

    __slots__ = ("_answer", "_loop", "_work", "ticket")

    def __init__(self, work: Callable[[], Any], ticket: Ticket, loop: asyncio.AbstractEventLoop) -> None:
        self._work, self._loop, self.ticket = work, loop, ticket
        self._answer: asyncio.Future[Any] = loop.create_future()

    @property
    def answer(self) -> "asyncio.Future[Any]":
        return self._answer

    def do(self) -> None:
        """In a thread: work, and hand over what came of it."""
        if self.ticket.given_up:
            return
        outcome: Any = None
        error: BaseException | None = None
        try:
            outcome = self._work()
        except StopIteration as raised:  # a future takes no such exception
            error = RuntimeError(f"the work raised {raised!r}")
        except BaseException as raised:  # noqa: BLE001 - handed to whoever waits; the thread goes on
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits
            self._loop.call_soon_threadsafe(self.settle, outcome, error)

    def settle(self, outcome: Any, error: BaseException | None) -> None:
        """In the loop: wake whoever waits, if anybody still does."""
        if self._answer.done():
            return
        if error is None:
            self._answer.set_result(outcome)
        else:
            self._answer.set_exception(error)


class Threads:
    """As many threads as are needed and allowed; a thread that is idle takes the next piece of work."""

    def __init__(self, name: str, limit: int) -> None:
        self._name, self._limit = name, limit
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._numbers = itertools.count(1)
        self._threads: list[threading.Thread] = []
        self._starter: threading.Thread | None = None
        self._to_start: queue.SimpleQueue[threading.Thread | None] = queue.SimpleQueue()
        self._jobs: set[_Job] = set()
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ends = asyncio.Event()
        self._left = 0

    async def run(self, work: Callable[[], _T], ticket: Ticket) -> _T:
        """Do the work in a thread and wait for what comes of it.

        Cancelling releases the caller at once. Work that has not begun never does; a thread that has begun lives on
        until its call comes back, and what it brings is dropped.

        Args:
            work: called in the thread.
            ticket: given up when the caller is cancelled, so that work that has not been sent never is.

        Raises:
            ClosedThreads: the threads were closed meanwhile, or are closed already.
        """
        if self._closed:
            raise ClosedThreads
        self._loop = asyncio.get_running_loop()
        job = _Job(work, ticket, self._loop)
        self._jobs.add(job)
        self._queue.put(job)
        if not self._idle.acquire(blocking=False) and len(self._threads) < self._limit:
            self._one_more()
        try:
            outcome: _T = await job.answer
            return outcome
        except asyncio.CancelledError:
            ticket.give_up()
            raise
        finally:
            self._jobs.discard(job)

    def close(self) -> None:
        """Release whoever waits, and let each thread end when it is done with what it does."""
        self._closed = True
        for job in list(self._jobs):
            job.ticket.give_up()
            job.settle(None, ClosedThreads())
        for _ in self._threads:
            self._queue.put(None)
        self._to_start.put(None)

    async def ended(self) -> None:
        """Wait until every thread has ended, once they are closed."""
        if self._left:
            await self._ends.wait()

    def _one_more(self) -> None:
        """Have one started; not here, for a start takes until the new thread runs, and many are asked for at once."""
        if self._starter is None:
            self._starter = threading.Thread(target=self._start_all, name=f"{self._name}-starter", daemon=True)
            self._left += 1
            self._starter.start()
        name = f"{self._name}-{next(self._numbers)}"
        thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._threads.append(thread)
        self._left += 1
        self._to_start.put(thread)

    def _start_all(self) -> None:
        while (thread := self._to_start.get()) is not None:
            try:
                thread.start()
            except RuntimeError as error:  # the system gives no more of them
                self._tell(self._not_started, thread, error)
        self._tell(self._one_less)

    def _not_started(self, thread: threading.Thread, error: RuntimeError) -> None:
        self._threads.remove(thread)
        self._one_less()
        if not self._threads:  # nobody is left who would do it later
            for job in list(self._jobs):
                job.ticket.give_up()
                job.settle(None, error)

    def _serve(self) -> None:
        while (job := self._queue.get()) is not None:
            job.do()
            del job  # what it brought is not kept alive by an idle thread
            self._idle.release()
        self._tell(self._one_less)

    def _tell(self, what: Callable[..., None], *arguments: Any) -> None:
        """In a thread: have the loop do it."""
        assert self._loop is not None  # noqa: S101 - a thread is started from it
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits
            self._loop.call_soon_threadsafe(what, *arguments)

    def _one_less(self) -> None:
        self._left -= 1
        if not self._left:
            self._ends.set()
