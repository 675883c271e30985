"""One thread that writes, and commits what waits together.

While one commit is on its way to the disk, further writes queue up; the next transaction takes them all. So a durable
commit is shared by as many callers as there are, and each of them resumes only after it.
"""

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, exc

from host.errors import StoreError, UnderstudyError
from host.store.engine import BUSY_TIMEOUT_MS, explained

__all__ = ["Write", "Writer"]

Write = Callable[[Connection], Any]
"""Runs statements on the connection it is given. It gives back what the caller waits for, or an error that the caller
gets.
"""

_CHECKPOINT: Final = "checkpoint"
_LARGEST_BATCH = 256
_LONGEST_LOG_PAGES = 4096
"""At which a checkpoint makes the writers wait until the log begins anew."""
_log = logging.getLogger("understudy.store")


@dataclass(slots=True)
class _Job:
    write: Write
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    value: Any = None
    error: BaseException | None = None


class Writer:
    """The one connection that writes, on a thread of its own."""

    def __init__(self, engine: Engine, url: URL) -> None:
        self._engine = engine
        self._url = url
        self._queue: queue.SimpleQueue[_Job | str | None] = queue.SimpleQueue()
        self._checkpoint_is_due = False
        self._connection: Connection | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="understudy-store", daemon=True)
        self._thread.start()

    async def submit(self, write: Write) -> Any:
        """Run ``write`` in a transaction; what it gave, once the transaction is durable.

        A cancelled call waits for the end of its write. Then a write that failed raises its error, otherwise
        CancelledError goes on.

        Raises:
            StoreError: it could not be written; nothing of it was.
            UnderstudyError: what ``write`` gave back as an error.
        """
        if self._closed:
            raise StoreError("The store is closed.", remedy="Nothing runs after the host was closed; start a new one.")
        loop = asyncio.get_running_loop()
        job = _Job(write, loop, loop.create_future())
        self._queue.put(job)
        cancelled: asyncio.CancelledError | None = None
        while not job.future.done():
            try:
                await asyncio.wait((job.future,))
            except asyncio.CancelledError as error:
                cancelled = error
        value = job.future.result()
        if isinstance(value, UnderstudyError):
            raise value
        if cancelled is not None:
            raise cancelled
        return value

    def checkpoint(self) -> None:
        """Bring the log into the database, when the thread gets to it. Whoever writes in place asks for it."""
        self._queue.put(_CHECKPOINT)

    async def aclose(self) -> None:
        """Write what waits, then end the thread."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while (batch := self._next_batch()) is not None:
            if batch:
                self._commit(batch)
                _deliver(batch)
            if self._checkpoint_is_due:
                self._checkpoint_is_due = False
                self._checkpoint()
        self._disconnect()

    def _next_batch(self) -> list[_Job] | None:
        """All that waits, up to a limit; None when the end has come."""
        item = self._queue.get()
        batch: list[_Job] = []
        while True:
            if item is None:
                if not batch:
                    return None
                self._queue.put(None)  # the end, but only after this batch
                return batch
            if isinstance(item, _Job):
                batch.append(item)
            else:
                self._checkpoint_is_due = True
            if len(batch) == _LARGEST_BATCH:
                return batch
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return batch

    def _commit(self, batch: list[_Job]) -> None:
        """Run a batch in one transaction. Where one job is at fault, each gets a transaction of its own."""
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
            with self._connection.begin():
                for job in batch:
                    job.value = job.write(self._connection)
        except Exception as error:  # noqa: BLE001 - every caller is waiting for an answer, whatever went wrong
            self._disconnect()
            if len(batch) > 1 and not isinstance(error, exc.OperationalError | exc.InternalError):
                for job in batch:
                    self._commit([job])
                return
            if not isinstance(error, exc.SQLAlchemyError):
                _log.exception("a write to the store failed")
            for job in batch:
                job.error = explained(error, self._url)

    def _checkpoint(self) -> None:
        """Bring the log into the database beside whoever writes; once it is long, make the next begin it anew."""
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
            driver: Any = self._connection.connection.driver_connection
            _, pages, _ = driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if pages > _LONGEST_LOG_PAGES:
                driver.execute("PRAGMA busy_timeout=0")  # a reader that takes its time is waited for next time
                driver.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
                driver.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        except (
            exc.SQLAlchemyError,
            sqlite3.Error,
        ) as error:  # the next write says it to whoever waits
            _log.warning("the store cannot bring its log into the database: %s", error)
            self._disconnect()

    def _disconnect(self) -> None:
        """Drop the connection; the next batch makes a new one."""
        if self._connection is not None:
            with suppress(exc.SQLAlchemyError):
                self._connection.close()
            self._connection = None


def _deliver(batch: list[_Job]) -> None:
    """Wake the callers, with one call into each loop."""
    for loop in {job.loop for job in batch}:
        jobs = [job for job in batch if job.loop is loop]
        with suppress(RuntimeError):  # the loop is closed, so nobody waits any more
            loop.call_soon_threadsafe(_resolve, jobs)


def _resolve(jobs: list[_Job]) -> None:
    for job in jobs:
        if job.error is None:
            job.future.set_result(job.value)
        else:
            job.future.set_exception(job.error)
