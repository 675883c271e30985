"""Short writes made where they are asked for, on the event loop's own thread.

A row takes SQLite some 50 us while nothing waits for a disk, less than it takes to wake a thread and to be woken by it.
So rows of ordinary size are written in place. The loop never waits: where another connection holds the write lock, a
row is long, or the disk was slow a moment ago, the row goes to the writer's thread, which can wait. Checkpoints are
that thread's too.

Once several executions are under way, rows of one turn of the loop share a transaction.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from host.errors import UnderstudyError
from host.store.statements import RowWrite
from host.store.writer import Writer

__all__ = ["InPlace"]

_LONGEST_ROW_BYTES = 16_384
_SLOW_S = 0.005
_SLOW_IN_A_ROW = 3
"""So many slow writes are the disk's doing; a single one has only lost the processor. Then the thread takes over."""
_REST_S = 1.0
_FEW = 2
"""Executions under way at which a row is not worth a turn of the loop, to wait for others."""
_ROWS_TO_CHECKPOINT = 256


@dataclass(slots=True)
class _Waiting:
    write: RowWrite
    future: asyncio.Future[None]
    done: bool = False
    value: Any = None  # None: the thread has to do it


class InPlace:
    """One connection of the event loop's thread, which never waits for a lock.

    Args:
        writer: the thread that writes what is not written here.
        connect: opens the connection, in autocommit mode; it raises ``sqlite3.Error``. None leaves all rows to the
            thread.

    Attributes:
        under_way: how many executions have begun and not ended; the store counts them.
    """

    def __init__(self, writer: Writer, connect: Callable[[], sqlite3.Connection] | None) -> None:
        self.under_way = 0
        self._writer = writer
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._waiting: list[_Waiting] = []
        self._since_checkpoint = 0
        self._resting_until = 0.0
        self._slow = 0

    def open(self) -> None:
        """Open the connection where there is none. Where that fails, the thread does all the work, and explains."""
        if self._connection is None and self._connect is not None:
            with suppress(sqlite3.Error):
                self._connection = self._connect()

    def close(self) -> None:
        """Write what waits and let go of the database. Nothing is written in place after it."""
        self._commit()
        self._connect = None
        self._drop()

    async def submit(self, write: RowWrite) -> int:
        """Write a row in a transaction, here or in the thread. See ``Writer.submit``."""
        if self._connection is None or self._resting() or write.size() > _LONGEST_ROW_BYTES:
            return await self._by_thread(write)
        if self.under_way > _FEW or self._waiting:
            return await self._together(write)
        value = self._now([write])[0]
        if value is None:
            return await self._by_thread(write)
        if isinstance(value, UnderstudyError):
            raise value
        return int(value)

    def _resting(self) -> bool:
        return self._resting_until > 0.0 and time.monotonic() < self._resting_until

    async def _by_thread(self, write: RowWrite) -> int:
        count: int = await self._writer.submit(write)
        self.open()
        return count

    async def _together(self, write: RowWrite) -> int:
        loop = asyncio.get_running_loop()
        mine = _Waiting(write, loop.create_future())
        self._waiting.append(mine)
        if len(self._waiting) == 1:
            loop.call_soon(self._commit)
        cancelled: asyncio.CancelledError | None = None
        while not mine.done:
            try:
                await mine.future
            except asyncio.CancelledError as error:  # it took the future along; the row is written all the same
                cancelled = error
                mine.future = loop.create_future()
        value = mine.value
        if value is None:
            value = await self._by_thread(write)
        if isinstance(value, UnderstudyError):
            raise value
        if cancelled is not None:
            raise cancelled
        return int(value)

    def _commit(self) -> None:
        """Write what has gathered in this turn of the loop."""
        waiting, self._waiting = self._waiting, []
        if not waiting:  # the store was closed in between
            return
        values = self._now([each.write for each in waiting])
        for each, value in zip(waiting, values, strict=True):
            each.value, each.done = value, True
            if not each.future.done():
                each.future.set_result(None)

    def _now(self, writes: list[RowWrite]) -> list[Any]:
        """Write rows in one transaction: what each gave, or None for all of them where it could not be done here."""
        connection = self._connection
        if connection is None:
            return [None] * len(writes)
        begun = time.monotonic()
        try:
            if len(writes) == 1:  # one statement is a transaction of its own
                values = [writes[0].in_place(connection)]
            else:
                connection.execute("BEGIN IMMEDIATE")
                values = [write.in_place(connection) for write in writes]
                connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - the thread tries it again, and explains what fails there too
            self._undo(connection, error)
            return [None] * len(writes)
        self._note_duration(begun, time.monotonic())
        self._since_checkpoint += len(writes)
        if self._since_checkpoint >= _ROWS_TO_CHECKPOINT:
            self._since_checkpoint = 0
            self._writer.checkpoint()
        return values

    def _note_duration(self, begun: float, ended: float) -> None:
        self._slow = self._slow + 1 if ended - begun > _SLOW_S else 0
        if self._slow >= _SLOW_IN_A_ROW:
            self._slow, self._resting_until = 0, ended + _REST_S

    def _undo(self, connection: sqlite3.Connection, error: Exception) -> None:
        """End the transaction. Only a lock that another holds leaves the connection as good as it was."""
        with suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        primary = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest says which kind of busy
        if primary != sqlite3.SQLITE_BUSY:
            self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()
