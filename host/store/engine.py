"""The database behind the store: URL, connections, and what its errors mean to an operator.

SQLite runs in WAL mode: readers never wait for the writer, and a commit that has returned survives the death of the
process. With ``synchronous=FULL`` it is on the disk too, and survives a loss of power; with ``NORMAL`` the disk follows
at the next checkpoint, and a loss of power takes the newest commits but damages nothing.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, exc, make_url

from host.errors import ConfigurationError, StoreError
from host.store.interface import Durability

__all__ = ["BUSY_TIMEOUT_MS", "connect", "database_url", "make_engine", "prepare_file", "translated"]

BUSY_TIMEOUT_MS = 5000
"""How long a write waits for another host on the same file before it gives up."""

_OUT_OF_REACH = "The store {place} cannot be opened or written"
_MEANINGS = {  # SQLite's primary result code: what it means here, what to do
    "FULL": ("The disk that holds the store {place} is full", "Free some space; the host writes again by itself."),
    "BUSY": (
        "The store {place} is locked by another program",
        "End the program that holds it open, or wait until it is done.",
    ),
    "LOCKED": (
        "The store {place} is locked by another program",
        "End the program that holds it open, or wait until it is done.",
    ),
    "CORRUPT": ("The store {place} is damaged", "Put a backup in its place, or move it away to begin a new one."),
    "NOTADB": ("The file {place} is not an SQLite database", "Move it away, or set store.url to another file."),
    "READONLY": (
        _OUT_OF_REACH,
        "Give this user the right to write the file and its folder, or set state_dir to another.",
    ),
    "CANTOPEN": (
        _OUT_OF_REACH,
        "Give this user the right to write the file and its folder, or set state_dir to another.",
    ),
    "PERM": (_OUT_OF_REACH, "Give this user the right to write the file and its folder, or set state_dir to another."),
    "IOERR": ("The disk that holds the store {place} reports an error", "Check that the disk has room and is well."),
}


def database_url(url: str, state_dir: Path) -> URL:
    """The URL to open; empty means ``understudy.db`` in ``state_dir``.

    Raises:
        ConfigurationError: malformed, in memory, or a database that is not supported.
    """
    if not url:
        return URL.create("sqlite", database=str((state_dir / "understudy.db").absolute()))
    try:
        parsed = make_url(url)
    except exc.ArgumentError:  # its message repeats the URL, which may hold a password
        raise ConfigurationError(
            "store.url is not a database URL.", remedy="Write sqlite:////srv/understudy.db."
        ) from None
    if parsed.get_backend_name() != "sqlite":
        raise ConfigurationError(
            f"store.url names {parsed.get_backend_name()}, which this version does not support.",
            remedy="Write sqlite:////srv/understudy.db, or leave it empty.",
        )
    if not parsed.database or parsed.database == ":memory:" or parsed.database.startswith("file:"):
        raise ConfigurationError(
            "store.url names no file.", remedy="Write sqlite:////srv/understudy.db, or leave it empty."
        )
    return parsed


def prepare_file(url: URL) -> None:
    """Make the folder and the file, for this user alone: records hold code and what it gave back.

    Raises:
        StoreError: they cannot be made.
    """
    path = Path(url.database or "")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        message, remedy = _MEANINGS["CANTOPEN"]
        raise StoreError(f"{message.format(place=path)}: {error.strerror}.", remedy=remedy) from error


def make_engine(url: URL, *, writes: bool, durability: Durability = "process") -> Engine:
    """An engine whose connections are set up; a writing one takes the write lock when a transaction begins."""
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _: Any) -> None:
        _set_up(connection, durability)
        if not writes:
            connection.execute("PRAGMA query_only=ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def connect(engine: Engine) -> sqlite3.Connection:
    """A connection of the driver's own that never waits: neither for a lock nor for a checkpoint, which is left to the
    others.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    arguments, options = engine.dialect.create_connect_args(engine.url)
    settled: dict[str, Any] = {**options, "timeout": 0, "check_same_thread": False}
    connection: sqlite3.Connection = sqlite3.connect(arguments[0], **settled)
    _set_up(connection, "process")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    return connection


def _set_up(connection: sqlite3.Connection, durability: Durability) -> None:
    connection.isolation_level = None  # transactions begin where we say so, not at the driver's whim
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA synchronous={'FULL' if durability == 'power' else 'NORMAL'}")
    connection.execute("PRAGMA secure_delete=ON")  # what is purged is gone from the file too


@contextmanager
def translated(url: URL) -> Iterator[None]:
    """Turns what the database raises into StoreError with a remedy. Nothing of SQLAlchemy leaves the store."""
    try:
        yield
    except (exc.SQLAlchemyError, sqlite3.Error) as error:
        raise explained(error, url) from error


def explained(error: BaseException, url: URL) -> StoreError:
    """The StoreError for what the database raised."""
    place = url.database or url.render_as_string(hide_password=True)
    cause = error.orig if isinstance(error, exc.DBAPIError) and error.orig is not None else error
    name = getattr(cause, "sqlite_errorname", "") or ""
    for code, (message, remedy) in _MEANINGS.items():
        if name.removeprefix("SQLITE_").startswith(code):
            return StoreError(f"{message.format(place=place)} ({cause}).", remedy=remedy)
    return StoreError(
        f"The store {place} does not answer: {cause}.", remedy="See the log; `understudy doctor` checks the store."
    )
