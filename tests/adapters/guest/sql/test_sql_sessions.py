"""Sessions of the SQL guest and its warm clones: the database lives on, and a clone's is its own."""

import subprocess
import sys

import pytest

from adapters.guest.builds import ensure_sql
from adapters.guest.environments import Environments
from adapters.guest.reports import read_report
from adapters.guest.sql.host import SQL_FILES, SqlGuest
from host.models import ExecutionRequest
from host.policy import Policy
from host.values import Table

POLICY = Policy(name="any", allowed_imports=None)


@pytest.fixture(scope="module")
def sql_guest(tmp_path_factory):
    """The staged files of the guest, the folder of DuckDB, and the guest itself."""
    folder = tmp_path_factory.mktemp("sql")
    environments = Environments(folder)
    site = ensure_sql(environments).site
    for source, inside in SQL_FILES.items():
        target = folder / inside.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    return folder / "guest", site, SqlGuest(environments)


def frame_of(guest, code, inputs=None, policy=POLICY):
    return guest.frame(ExecutionRequest(code=code, language="sql", inputs=inputs or {}), policy)


@pytest.fixture
def run(sql_guest, open_live, tmp_path):
    """A session: ``run(code, inputs) -> Ended``."""
    folder, site, guest = sql_guest
    assert guest.open(POLICY, guest.find()).argv == ("sql.main", "session")
    paths = f"sys.path.insert(0, {str(folder)!r}); sys.path.append({str(site)!r})"
    script = f"import os, sys; {paths}; from sql.main import session; session(os.dup(0), 3)"
    live = open_live([sys.executable, "-I", "-S", "-X", "utf8", "-c", script], tmp_path)

    def command(code, inputs=None, policy=POLICY):
        return live.command(frame_of(guest, code, inputs, policy))

    command.live = live
    return command


def test_the_database_lives_on(run):
    """Tables, views, macros, variables and what is inserted are there for later commands."""
    run("CREATE TABLE t (a INT); INSERT INTO t VALUES (1)")
    run("INSERT INTO t VALUES (2); CREATE VIEW v AS SELECT sum(a) AS s FROM t; SET VARIABLE x = 5")
    assert run("SELECT s, getvariable('x') AS x FROM v").value == Table(["s", "x"], [[3, 5]])
    assert run("CREATE TABLE u (a INT)").value is None
    assert run.live.finish().exit_code == 0


def test_inputs_of_a_command(run):
    """Rows become tables that stay and are replaced when they come again; so do the others, as $name and variables."""
    run("SELECT 1 AS one", {"t": [{"a": 1}], "p": 4})
    assert run("SELECT a, getvariable('p') AS p FROM t").value == Table(["a", "p"], [[1, 4]])
    assert run("SELECT b, $p AS p FROM t", {"t": [{"b": 2}, {"b": 3}], "p": 5}).value == Table(
        ["b", "p"], [[2, 5], [3, 5]]
    )
    assert run("SELECT $p AS p, getvariable('p') AS v").value.rows == ((5, 5),)
    assert run("SELECT $q AS q").error["type"] == "Invalid Input Error"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("SELECT * FROM nowhere", "Catalog Error"),
        ("SELEC 1", "Parser Error"),
        ("CREATE TABLE big AS SELECT range AS n, repeat('x', 100) || range AS s FROM range(9000000)", "MemoryError"),
        ("SELECT repeat('x', 2000000) AS x", "TooLargeError"),
        ("SET threads = 4", "Invalid Input Error"),
    ],
)
def test_a_command_that_fails_does_not_end_the_session(run, code, kind):
    """Its error is told, done follows, and the tables are still there; what came before it in the command has run."""
    run("CREATE TABLE t (a INT)")
    ended = run(f"INSERT INTO t VALUES (1);\n{code}", policy=Policy(name="small", max_memory_mb=64))
    assert (ended.exit_code, ended.error["type"]) == (1, kind)
    assert run("SELECT count(*) AS n FROM t").value.rows == ((0 if kind == "Parser Error" else 1,),)


def test_a_transaction_may_span_commands(run):
    """What is begun in one command can be rolled back in a later one."""
    run("CREATE TABLE t (a INT)")
    run("BEGIN; INSERT INTO t VALUES (1)")
    assert run("SELECT count(*) AS n FROM t").value.rows == ((1,),)
    run("ROLLBACK")
    assert run("SELECT count(*) AS n FROM t").value.rows == ((0,),)


def test_the_memory_of_the_session_is_that_of_its_first_command(run):
    """The configuration is locked with the first command; a later one cannot widen it."""
    run("SELECT 1", policy=Policy(name="small", max_memory_mb=64))
    wider = Policy(name="wide", max_memory_mb=512)
    assert run("SELECT current_setting('memory_limit') AS m", policy=wider).value.rows == (("61.0 MiB",),)


def test_warm_clones_answer_as_a_cold_guest_does(sql_guest, forker, tmp_path):
    """Each clone has a database of its own, with random numbers of its own, as locked and as limited as a cold one."""
    folder, site, guest = sql_guest
    code = "SELECT random() AS r, uuid()::TEXT AS u, current_setting('memory_limit') AS m, txid_current() AS t, $p AS p"
    frame = frame_of(guest, f"CREATE TABLE t AS {code}; SELECT * FROM t", {"p": 4}, Policy(name="p", max_memory_mb=64))
    preload = guest.open(POLICY, guest.find()).preload

    def start(count, *way):
        report = tmp_path / "report"
        done = subprocess.run(
            ["/bin/sh", "-c", f'exec "$@" 3> {report}', "sh", sys.executable, "-I", "-S", "-X", "utf8", *way],
            input=frame, capture_output=True, cwd=tmp_path, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return report.read_bytes()

    warm = start(3, forker, str(folder), "sql.main", repr((str(site),)), "3", repr(preload))
    paths = f"sys.path.insert(0, {str(folder)!r}); sys.path.append({str(site)!r})"
    cold = start(1, "-c", f"import sys; {paths}; from sql.main import start; start()")
    rows = [value.rows[0] for value in _values(warm)]
    assert len(rows) == 3
    assert len({row[0] for row in rows}) == len({row[1] for row in rows}) == 3
    assert [row[2:] for row in rows] == [read_report(cold, 1 << 20).value.rows[0][2:]] * 3


def _values(data):
    from adapters.guest.protocol import unpack
    from host.values import decode

    return [decode(message["value"]) for message in unpack(data, 1 << 20)]
