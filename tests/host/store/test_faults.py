"""A store that cannot write says so, names the remedy, and nothing runs; it goes on by itself when it can write."""

import asyncio
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect

from host.errors import ConfigurationError, StoreError
from host.store import migrate, open_store
from host.store.schema import HEAD, metadata

ROOT = Path(__file__).parents[3]


async def test_a_full_disk_refuses_the_run_and_heals(store, policy, request_of):
    """SQLite's own disk-full error becomes StoreError with its remedy; with room again the next write succeeds."""
    limit_pages(store, 1)
    big = request_of("#" * 500_000)
    with pytest.raises(StoreError, match="full") as raised:
        await store.begin(big, policy, owner="me")
    assert "space" in raised.value.remedy
    limit_pages(store, 1_000_000)
    await store.begin(big, policy, owner="me")
    assert (await store.get(big.id)).code == big.code


def limit_pages(store, pages):
    """Let the writer's connections grow the file no further than ``pages`` (or its present size, if that is more)."""
    from sqlalchemy import event

    store._writing.dispose()
    store._writer._disconnect()

    @event.listens_for(store._writing, "connect")
    def set_limit(connection, _):
        connection.execute(f"PRAGMA max_page_count={pages}")


def test_a_disk_that_takes_no_more_bytes(tmp_path):
    """With the file size limited by the kernel, the write fails as StoreError and not as a crash."""
    program = """
import asyncio, resource, signal, sys
from pathlib import Path
from host.errors import StoreError
from host.models import ExecutionRequest
from host.policy import Policy
from host.store import open_store

async def main():
    store = await open_store(state_dir=Path(sys.argv[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    request = ExecutionRequest(code="#" * 400_000)
    try:
        await store.begin(request, Policy(name="strict"), owner="me")
    except StoreError as error:
        print("refused", bool(error.remedy))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await store.begin(request, Policy(name="strict"), owner="me")
    print("written")

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=60,
        check=False,
    )
    assert done.stdout.split("\n")[:2] == ["refused True", "written"], done.stderr


async def test_a_locked_database_is_said_to_be_locked(store, state_dir, policy, request_of):
    """While another program holds the write lock longer than the store waits, begin fails closed; then it goes on."""
    other = sqlite3.connect(state_dir / "understudy.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    wait_at_most(store, 50)
    request = request_of()
    with pytest.raises(StoreError, match="locked") as raised:
        await store.begin(request, policy, owner="me")
    assert raised.value.remedy
    other.execute("ROLLBACK")
    other.close()
    await store.begin(request, policy, owner="me")


def wait_at_most(store, milliseconds):
    from sqlalchemy import event

    store._writing.dispose()
    store._writer._disconnect()

    @event.listens_for(store._writing, "connect")
    def set_timeout(connection, _):
        connection.execute(f"PRAGMA busy_timeout={milliseconds}")


async def test_the_loop_goes_on_while_the_store_waits(store, state_dir, policy, request_of):
    """While the writer waits for a lock, the event loop runs, and reading works."""
    other = sqlite3.connect(state_dir / "understudy.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    begin = asyncio.create_task(store.begin(request_of(), policy, owner="me"))
    for _ in range(5):
        await store.list()
    assert not begin.done()
    other.execute("ROLLBACK")
    other.close()
    await begin


@pytest.mark.parametrize("content", [b"this is no database" * 500, b"SQLite format 3\x00" + b"\xff" * 9000])
async def test_a_damaged_file_is_named_at_the_start(state_dir, content):
    """A file that is no database, or a broken one, refuses the start and is left as it is."""
    state_dir.mkdir()
    path = state_dir / "understudy.db"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"understudy\.db") as raised:
        await open_store(state_dir=state_dir)
    assert raised.value.remedy
    assert path.read_bytes() == content


async def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    """A state folder below a file refuses the start, with the remedy."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file") as raised:
        await open_store(state_dir=tmp_path / "file" / "below")
    assert "state_dir" in raised.value.remedy


def test_a_read_only_folder_refuses_the_start():
    """As an ordinary user, a database that may only be read is named with its remedy, and nothing runs."""
    tmp_path = Path(tempfile.mkdtemp(prefix="understudy-test-", dir="/tmp"))
    asyncio.run(_open_and_close(tmp_path))
    path = tmp_path / "understudy.db"
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        if os.geteuid() == 0:
            pid = os.fork()
            if pid == 0:  # an ordinary user sees the folder as it is; root would write all the same
                code = 3
                try:
                    os.setgid(65534)
                    os.setuid(65534)
                    asyncio.run(_open_and_close(tmp_path))
                except StoreError as error:
                    code = 0 if "state_dir" in error.remedy else 4
                finally:
                    os._exit(code)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        else:
            with pytest.raises(StoreError, match="state_dir"):
                asyncio.run(_open_and_close(tmp_path))
    finally:
        tmp_path.chmod(0o700)
        shutil.rmtree(tmp_path)


async def _open_and_close(state_dir):
    store = await open_store(state_dir=state_dir)
    await store.aclose()


async def test_records_are_for_this_user_alone(store, state_dir, policy, request_of):
    """Folder and files give nothing to group and others: they hold code and outputs."""
    await store.begin(request_of(), policy, owner="me")
    for path in (state_dir, *state_dir.glob("understudy.db*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "not a database URL"),
        ("mysql://user:hunter2@db/x", "mysql"),
        ("postgresql+psycopg://user:hunter2@db/x", "postgresql"),
        ("sqlite://", "no file"),
        ("sqlite:///:memory:", "no file"),
    ],
)
async def test_an_address_that_cannot_be_used_is_refused(tmp_path, url, said):
    """A wrong store.url is a configuration error that shows no password."""
    with pytest.raises(ConfigurationError, match=said) as raised:
        await open_store(url, state_dir=tmp_path)
    assert "hunter2" not in str(raised.value)


async def test_a_file_of_ones_own_can_be_named(tmp_path, policy, request_of):
    """store.url puts the database elsewhere, in a folder that is made."""
    store = await open_store(f"sqlite:///{tmp_path / 'own' / 'records.db'}", state_dir=tmp_path)
    await store.begin(request_of(), policy, owner="me")
    await store.aclose()
    assert (tmp_path / "own" / "records.db").stat().st_size > 0


async def test_migrations_and_tables_agree(store, state_dir):
    """What the migrations make is what the tables in schema.py say, indexes too; HEAD is the newest migration."""
    from alembic.autogenerate import compare_metadata
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    database = create_engine(f"sqlite:///{state_dir / 'understudy.db'}")
    with database.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert migrate.version(connection) == HEAD
        indexes = {each["name"]: each["dialect_options"] for each in inspect(connection).get_indexes("executions")}
    database.dispose()
    assert "status IS NULL" in str(indexes["executions_without_end"]["sqlite_where"])
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).with_name("migrations")))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


async def test_a_store_of_a_newer_version_is_left_alone(state_dir):
    """A database that stands at an unknown migration refuses the start."""
    await _open_and_close(state_dir)
    with closing(sqlite3.connect(state_dir / "understudy.db")) as other, other:
        other.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="9999") as raised:
        await open_store(state_dir=state_dir)
    assert "newer" in raised.value.remedy


def test_alembic_is_imported_only_to_migrate(state_dir):
    """Opening a store that stands at the newest migration does not import Alembic."""
    asyncio.run(_open_and_close(state_dir))
    program = f"""
import asyncio, sys
from pathlib import Path
from host.store import open_store
asyncio.run(open_store(state_dir=Path({str(state_dir)!r})))
print("alembic" in sys.modules)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "False"


async def test_hosts_that_start_together_migrate_once(state_dir):
    """Several stores opened at the same moment on a new file all open."""
    stores = await asyncio.gather(*(open_store(state_dir=state_dir) for _ in range(4)))
    for store in stores:
        await store.aclose()


@pytest.mark.parametrize(("durability", "synchronous"), [("process", 1), ("power", 2)])
async def test_how_a_commit_reaches_the_disk(state_dir, durability, synchronous):
    """SQLite keeps a write-ahead log, which no death of a process loses; under ``power`` each commit waits for the disk
    too.
    """

    def pragmas(connection):
        return [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "secure_delete")
        ]

    store = await open_store(state_dir=state_dir, durability=durability)
    assert await store._writer.submit(pragmas) == ["wal", synchronous, 1]
    await store.aclose()
