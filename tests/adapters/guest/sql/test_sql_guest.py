"""The SQL guest: inputs are tables, the last result is a typed table, and nothing outside is in reach."""

import datetime
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.guest.builds import ensure_sql
from adapters.guest.environments import Environments
from adapters.guest.python.host import request_frame
from adapters.guest.reports import read_report
from adapters.guest.sql.host import SQL_FILES
from host.models import ExecutionRequest
from host.policy import Policy
from host.values import Table

POLICY = Policy(name="any", allowed_imports=None)


@pytest.fixture(scope="session")
def sql_folder(tmp_path_factory):
    """The staged files of the SQL guest, with DuckDB from its guest environment."""
    folder = tmp_path_factory.mktemp("sql")
    site = ensure_sql(Environments(folder)).site
    for source, inside in SQL_FILES.items():
        target = folder / inside.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    return folder / "guest", site


@pytest.fixture
def run_sql(sql_folder, tmp_path):
    """Run SQL in the guest: ``run_sql(code, inputs, policy) -> (exit code, stderr, report)``."""
    guest, site = sql_folder

    def run(code, inputs=None, policy=POLICY):
        frame = request_frame(
            ExecutionRequest(code=code, language="sql", inputs=inputs or {}), policy, memory_mb=policy.max_memory_mb
        )
        paths = f"sys.path.insert(0, {str(guest)!r}); sys.path.append({str(site)!r})"
        script = f"import sys; {paths}; from sql.main import start; start()"
        report = tmp_path / "report"
        done = subprocess.run(
            ["/bin/sh", "-c", f'exec "$@" 3> {report}', "sh", sys.executable, "-I", "-S", "-X", "utf8", "-c", script],
            input=frame, capture_output=True, cwd=tmp_path, timeout=60, check=False,
        )  # fmt: skip
        return done.returncode, done.stderr.decode(), read_report(report.read_bytes(), policy.max_output_bytes)

    return run


@pytest.fixture
def ask(run_sql):
    """The Table that a run gives, which has to succeed."""

    def value(code, inputs=None):
        exit_code, stderr, report = run_sql(code, inputs)
        assert (exit_code, report.malformed, report.error) == (0, "", None), stderr
        return report.value

    return value


ITEMS = [{"item": "tea", "price": Decimal("2.50"), "n": 2}, {"item": "cake", "price": Decimal("4.00"), "n": None}]


@pytest.mark.parametrize(
    "rows",
    [
        ITEMS,
        Table(["item", "price", "n"], [["tea", Decimal("2.50"), 2], ["cake", Decimal("4.00"), None]]),
        {"item": ["tea", "cake"], "price": [Decimal("2.50"), Decimal("4.00")], "n": [2, None]},
    ],
)
def test_rows_become_tables(ask, rows):
    """Rows in any of their forms are a table under the input's name, with exact decimals."""
    value = ask("SELECT sum(price) AS total, sum(n) AS n, count(*) AS rows FROM items", {"items": rows})
    assert value == Table(["total", "n", "rows"], [[Decimal("6.50"), 2, 2]])


def test_lists_of_lists_become_tables(ask):
    """Rows without names have columns column0, column1 and so on."""
    assert ask("SELECT column1 FROM t ORDER BY column0", {"t": [[2, "b"], [1, "a"]]}) == Table(
        ["column1"], [["a"], ["b"]]
    )


def test_scalars_are_parameters_and_variables(ask):
    """Other inputs are named parameters and variables."""
    value = ask("SELECT $rate * 2 AS a, getvariable('rate') AS b, $Rate AS c", {"rate": Decimal("0.19"), "unused": "x"})
    assert value == Table(["a", "b", "c"], [[Decimal("0.38"), Decimal("0.19"), Decimal("0.19")]])


def test_cells_are_typed(ask):
    """Each SQL type comes back as the value type that fits."""
    code = """
SELECT 1.50::DECIMAL(9,2), 12345678901234567890123::HUGEINT, DATE '2026-11-21', TIMESTAMP '2026-11-21 14:05:00',
       INTERVAL 90 MINUTE, TIMESTAMPTZ '2026-11-21 14:05:00+01', TIME '14:05:00', 'a'::BLOB,
       [1, 2], {'k': 1}, MAP {'a': 1},
       '00000000-0000-0000-0000-000000000001'::UUID, ['00000000-0000-0000-0000-000000000001'::UUID],
       NULL, true, 0.5::DOUBLE
"""
    utc = datetime.UTC
    uuid = "00000000-0000-0000-0000-000000000001"
    assert list(ask(code).rows[0]) == [
        Decimal("1.50"), 12345678901234567890123, datetime.date(2026, 11, 21),
        datetime.datetime.fromisoformat("2026-11-21T14:05"),
        datetime.timedelta(minutes=90), datetime.datetime(2026, 11, 21, 13, 5, tzinfo=utc), datetime.time(14, 5), b"a",
        [1, 2],
        {"k": 1}, {"a": 1}, uuid, [uuid], None, True, 0.5,
    ]  # fmt: skip


def test_columns_of_every_type(ask):
    """What goes into a table comes out of it as it was."""
    moment = datetime.datetime.fromisoformat("2026-11-21T14:05:01.0005")
    aware = moment.replace(tzinfo=datetime.UTC)
    rows = [
        ["text", 7, 2**70, 1.5, Decimal("1.10"), True, b"\0\1", moment.date(), moment, aware, moment.time(),
         datetime.timedelta(days=2, seconds=3), [1, 2], {"a": [1]}],
        [None] * 14,
    ]  # fmt: skip
    table = Table([f"c{number}" for number in range(14)], rows)
    assert ask("FROM t", {"t": table}) == table


def test_the_last_rows_are_the_value(ask):
    """The value is the result of the last statement that returns rows, whatever follows it."""
    code = "CREATE TABLE t (a INT); INSERT INTO t VALUES (1), (2); SELECT sum(a) AS s FROM t; INSERT INTO t VALUES (3)"
    assert ask(code) == Table(["s"], [[3]])
    assert ask("CREATE TABLE t (a INT); INSERT INTO t VALUES (1) RETURNING a") == Table(["a"], [[1]])
    assert ask("CREATE TABLE t (a INT)") is None
    assert ask("-- nothing") is None


@pytest.mark.parametrize("name", ["__import__", 'a "quoted" name', "two\nlines", "nul\0", "select", "née", "💡"])
def test_odd_names_are_quoted_identifiers(ask, name):
    """Any name works as a quoted identifier, for tables, columns and parameters."""
    identifier = '"' + name.replace('"', '""') + '"'
    assert ask(f"SELECT {identifier} AS x FROM {identifier}", {name: [{name: 5}]}) == Table(["x"], [[5]])
    text = name.replace("'", "''")
    assert ask(f"SELECT getvariable('{text}') AS x", {name: 5}) == Table(["x"], [[5]])


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"": [{"a": 1}]}, "needs a name that is not empty"),
        ({"t": [{"": 1}]}, "column name that is empty"),
        ({"t": [{"a": 1, "A": 2}]}, "columns `a` and `A` of input `t` have the same name in SQL"),
        ({"t": [{"a": 1}], "T": [{"a": 1}]}, "inputs `t` and `T` are the same table name in SQL"),
        ({"t": [{"a": 1}, {"a": "x"}]}, "column `a` of input `t` mixes int and str"),
        ({"t": [{"a": 2**130}]}, "more than 127 bits"),
        ({"t": [{"a": Decimal("1e30")}, {"a": Decimal("1e-20")}]}, "at most 38"),
        ({"t": [{"a": 1j}]}, "is of type complex, which SQL does not have"),
        ({"x": 1j}, "input `x` is of type complex"),
        ({"x": "\ud800"}, "input `x` has no form in SQL"),
    ],
)
def test_inputs_without_a_form_are_refused(run_sql, inputs, reason):
    """An input that SQL has no form for fails the run and is named."""
    exit_code, stderr, report = run_sql("SELECT 1", inputs)
    assert exit_code == 1
    assert reason in report.error.message
    assert reason in stderr


@pytest.mark.parametrize(
    ("code", "kind", "line", "column"),
    [
        ("SELECT 1;\n\nSELEC 2", "Parser Error", 3, 1),
        ("SELECT 1;\nSELECT\n  nope\nFROM range(3);\nSELECT 3", "Binder Error", 3, 3),
        ("SELECT 1; SELECT nope FROM range(3)", "Binder Error", 1, 18),
        ("SELECT * FROM missing", "Catalog Error", 1, 15),
        ("SELECT " + "1, " * 100 + "nope FROM range(3)", "Binder Error", 1, 308),
        ("SELECT error('boo')", "Invalid Input Error", 0, 0),
    ],
)
def test_errors_have_their_place(run_sql, code, kind, line, column):
    """An error names DuckDB's reason with line and column in the whole code."""
    exit_code, stderr, report = run_sql(code)
    assert exit_code == 1
    assert kind in stderr
    assert (report.error.type, report.error.line, report.error.column) == (kind, line, column)
    assert report.value is None


@pytest.mark.parametrize(
    "code",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_csv('/proc/self/environ')",
        "COPY (SELECT 1) TO '{folder}/out.csv'",
        "EXPORT DATABASE '{folder}/out'",
        "ATTACH '{folder}/out.db'",
        "INSTALL httpfs",
        "LOAD '{folder}/x.duckdb_extension'",
        "SET threads = 4",
        "SET memory_limit = '10GB'",
        "SET enable_external_access = true",
        "RESET lock_configuration",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM sys",
    ],
)
def test_nothing_outside_is_in_reach(run_sql, tmp_path, code):
    """Files, extensions, other databases, Python's variables and the configuration are out of reach."""
    exit_code, _, report = run_sql(code.replace("{folder}", str(tmp_path)))
    assert exit_code == 1
    assert report.error is not None
    assert {path.name for path in Path(tmp_path).iterdir()} <= {"report"}


def test_memory_is_limited(run_sql):
    """A query that needs more memory than the policy gives ends as MemoryError."""
    code = "SELECT len(list) FROM (SELECT array_agg(repeat('x', 1000) || range) AS list FROM range(1000000))"
    exit_code, _, report = run_sql(code)
    assert (exit_code, report.error.type) == (1, "MemoryError")


def test_a_result_that_is_too_large_fails(run_sql):
    """A result over the policy's output limit fails with its reason."""
    exit_code, _, report = run_sql("SELECT * FROM range(10000000)")
    assert exit_code == 1
    assert "max_output_bytes" in report.error.message
