"""The store on a relational database through SQLAlchemy Core."""

import asyncio
import builtins
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

from sqlalchemy import URL, Connection, Engine, Row, and_, delete, or_, select, update

from host.errors import DuplicateExecution, InvalidRequest, StoreError, UnknownExecution
from host.models import ExecutionRequest, ExecutionResult, Status
from host.policy import Policy
from host.store import sessions
from host.store.engine import connect, database_url, make_engine, prepare_file, translated
from host.store.in_place import InPlace
from host.store.interface import Durability, OwnerInfo, Page, Record, SessionRecord
from host.store.migrate import migrate, version
from host.store.rows import SUMMARY_COLUMNS, moment, record, summary
from host.store.schema import HEAD, executions, owners
from host.store.statements import DAY_US, RowWrite, Statement, Statements, closing_row, instant_us, opening_row
from host.store.writer import Writer

__all__ = ["SqlStore"]

_T = TypeVar("_T")

_READERS = 2
_LARGEST_PAGE = 500
_LOST = "The host that ran it died, or lost sight of it."


class SqlStore:
    """Keeps executions in a database. Short rows are written in place; all else is done by threads."""

    def __init__(self, url: URL, writing: Engine, reading: Engine, durability: Durability, retain_days: int) -> None:
        self._url = url
        self._writing = writing
        self._reading = reading
        self._retain_days = retain_days
        self._statements = Statements(writing.dialect)
        self._writer = Writer(writing, url)
        self._in_place = InPlace(self._writer, (lambda: connect(writing)) if durability == "process" else None)
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="understudy-history")

    @classmethod
    async def open(cls, url: str, *, state_dir: Path, durability: Durability, retain_days: int) -> Self:
        """See ``host.store.open_store``."""
        return await asyncio.to_thread(cls._open, database_url(url, state_dir), durability, retain_days)

    @classmethod
    def _open(cls, url: URL, durability: Durability, retain_days: int) -> Self:
        prepare_file(url)
        writing, reading = make_engine(url, writes=True, durability=durability), make_engine(url, writes=False)
        try:
            with translated(url):
                with reading.connect() as connection:
                    found = version(connection)
                if found != HEAD:
                    with writing.begin() as connection:  # waits for another host that is migrating
                        migrate(connection)
        except StoreError:
            writing.dispose()
            reading.dispose()
            raise
        store = cls(url, writing, reading, durability, retain_days)
        store._in_place.open()
        return store

    async def begin(
        self,
        request: ExecutionRequest,
        policy: Policy,
        *,
        owner: str,
        adapter: str | None = None,
        adapter_version: str | None = None,
    ) -> None:
        row = opening_row(
            request, policy, now_us=_now_us(), owner=owner, adapter=adapter, adapter_version=adapter_version
        )
        await self._insert(self._statements.begin, row)
        self._in_place.under_way += 1

    async def finish(self, request: ExecutionRequest, policy: Policy, result: ExecutionResult) -> bool:
        row = closing_row(policy, result, now_us=_now_us())
        row["execution"] = request.id
        statement = self._statements.finish
        self._in_place.under_way -= self._in_place.under_way > 0
        return await self._in_place.submit(RowWrite(statement, statement.values(row))) == 1

    async def record(self, request: ExecutionRequest, policy: Policy, result: ExecutionResult, *, owner: str) -> None:
        now_us = _now_us()
        row = opening_row(request, policy, now_us=now_us, owner=owner, adapter=None, adapter_version=None)
        row |= closing_row(policy, result, now_us=now_us)
        await self._insert(self._statements.record, row)

    async def _insert(self, statement: Statement, row: dict[str, Any]) -> None:
        await self._in_place.submit(RowWrite(statement, statement.values(row), partial(_taken, row["id"])))

    async def get(self, execution_id: str) -> Record:
        query = select(executions).where(executions.c.id == execution_id)
        rows = await self._read(lambda connection: connection.execute(query).all())
        if not rows:
            raise _unknown(execution_id)
        return record(rows[0])

    async def list(
        self,
        *,
        limit: int = 50,
        before: str | None = None,
        status: Status | None = None,
        language: str | None = None,
        adapter: str | None = None,
        actor: str | None = None,
        session: str | None = None,
    ) -> Page:
        if not 1 <= limit <= _LARGEST_PAGE:
            raise InvalidRequest(f"limit is {limit}; a page holds 1 to {_LARGEST_PAGE}.")
        table = executions.c
        query = select(*SUMMARY_COLUMNS).order_by(table.created_us.desc(), table.id.desc()).limit(limit + 1)
        wanted = (
            *((table.status, status), (table.language, language), (table.adapter, adapter)),
            *((table.actor_id, actor), (table.session, session)),
        )
        for column, value in wanted:
            if value is not None:
                query = query.where(column == str(value))

        def read(connection: Connection) -> Sequence[Row[Any]]:
            if before is None:
                return connection.execute(query).all()
            last = connection.execute(select(table.created_us).where(table.id == before)).scalar()
            if last is None:
                raise _unknown(before)
            older = or_(table.created_us < last, and_(table.created_us == last, table.id < before))
            return connection.execute(query.where(older)).all()

        rows = await self._read(read)
        more = len(rows) > limit
        return Page(tuple(summary(row) for row in rows[:limit]), rows[limit - 1].id if more else None)

    async def open_session(self, session: SessionRecord) -> None:
        await self._writer.submit(sessions.opened(session))

    async def end_session(self, session: SessionRecord) -> None:
        statement = sessions.ended(session)
        await self._writer.submit(lambda connection: connection.execute(statement).rowcount)

    async def get_session(self, session_id: str) -> SessionRecord:
        query = sessions.reads(session_id)
        rows = await self._read(lambda connection: connection.execute(query).all())
        return sessions.record(rows, session_id)

    async def register(self, owner: OwnerInfo) -> None:
        row = {
            "id": owner.id,
            "machine": owner.machine,
            "lock_folder": owner.lock_folder,
            "pid": owner.pid,
            "started_us": instant_us(owner.started_at),
        }
        statement = self._statements.register
        await self._writer.submit(RowWrite(statement, statement.values(row)))

    async def get_owner(self, owner_id: str) -> OwnerInfo | None:
        query = select(owners).where(owners.c.id == owner_id)
        rows = await self._read(lambda connection: connection.execute(query).all())
        if not rows:
            return None
        row = rows[0]
        return OwnerInfo(row.id, row.machine, row.lock_folder, row.pid, moment(row.started_us))

    async def owners_at_work(self, *, machine: str, lock_folder: str) -> builtins.list[str]:
        here = and_(owners.c.machine == machine, owners.c.lock_folder == lock_folder)
        running = select(executions.c.owner).where(executions.c.status.is_(None))
        query = select(owners.c.id).where(here, or_(owners.c.id.in_(running), owners.c.id.in_(sessions.unended())))
        return await self._read(lambda connection: list(connection.execute(query).scalars()))

    async def recover(self, dead_owners: Sequence[str]) -> int:
        table = executions.c
        ended = {"status": Status.INTERRUPTED.value, "reason": _LOST, "finished_us": _now_us()}
        statement = update(executions).where(table.status.is_(None), table.owner.in_(dead_owners)).values(ended)
        lost = sessions.lost_with(dead_owners)

        def recover(connection: Connection) -> int:
            connection.execute(lost)
            return connection.execute(statement).rowcount

        recovered: int = await self._writer.submit(recover)
        return recovered

    async def purge(self) -> int:
        table, now_us = executions.c, _now_us()
        oldest_us = now_us - self._retain_days * DAY_US
        nothing = {"code": None, "inputs": None, "files": None, "result": None, "reason": "", "outputs_kept": False}
        empty = update(executions).where(table.retain_until_us <= now_us, table.status.is_not(None))
        empty = empty.values(nothing | {"retain_until_us": None})
        old = delete(executions).where(table.created_us <= oldest_us, table.status.is_not(None))

        def purge(connection: Connection) -> int:
            if self._retain_days:
                connection.execute(old)
                connection.execute(sessions.old(oldest_us))
            return connection.execute(empty).rowcount

        emptied: int = await self._writer.submit(purge)
        return emptied

    async def aclose(self) -> None:
        self._in_place.close()
        await self._writer.aclose()
        await asyncio.to_thread(self._let_go)

    def _let_go(self) -> None:
        self._readers.shutdown()
        self._reading.dispose()
        self._writing.dispose()

    async def _read(self, query: Callable[[Connection], _T]) -> _T:
        def run() -> _T:
            with translated(self._url), self._reading.connect() as connection:
                return query(connection)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._readers, run)
        except RuntimeError as error:  # the pool takes nothing after its shutdown
            raise StoreError(
                "The store is closed.", remedy="Nothing is read after the host was closed; start a new one."
            ) from error


def _now_us() -> int:
    return time.time_ns() // 1000


def _taken(execution_id: str) -> DuplicateExecution:
    return DuplicateExecution(
        f"an execution with the id {execution_id!r} was accepted before.", remedy="Send another id, or none."
    )


def _unknown(execution_id: str) -> UnknownExecution:
    return UnknownExecution(
        f"no execution has the id {execution_id!r}.", remedy="Records go when store.retain_days are over."
    )
