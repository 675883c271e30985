"""SQL programs. Inputs that are tables are tables, the rest are variables; the value is the last result."""

# ruff: noqa: E501 - programs are data, and read better unbroken

import datetime as dt
import math
from decimal import Decimal
from typing import Any

from host.models import ExecutionResult, Status
from host.testing.program import Program
from host.values import Table

__all__ = ["PROGRAMS"]

_SALES = Table(
    ["item", "price", "amount"], [["tea", Decimal("2.50"), 4], ["bun", Decimal("1.10"), 2], [None, None, None]]
)


def _p(name: str, code: str, proves: str, **more: Any) -> Program:
    return Program(name=name, language="sql", code=code, proves=proves, **more)


def _rows(expected: list[list[Any]]) -> Any:
    """A look at the value: a table with exactly these rows."""

    def also(result: ExecutionResult) -> str | None:
        rows = [list(row) for row in result.value.rows] if isinstance(result.value, Table) else None
        return (
            None
            if rows is not None and str(rows) == str(expected)
            else f"value is {result.value!r}, expected rows {expected}"
        )

    return also


PROGRAMS = (
    _p(
        "one-row",
        "SELECT 42 AS answer, 'x' AS text",
        "The last result is the value, a table.",
        value=Table(["answer", "text"], [[42, "x"]]),
    ),
    _p(
        "types",
        "SELECT 1.10::DECIMAL(9,2), DATE '2026-11-21', TIME '14:05:00', '\\x00\\xFF'::BLOB, 12345678901234567890::HUGEINT, NULL, TRUE, 0.5::DOUBLE",
        "SQL types keep their types.",
        also=_rows(
            [
                [
                    Decimal("1.10"),
                    dt.date(2026, 11, 21),
                    dt.time(14, 5),
                    b"\x00\xff",
                    12345678901234567890,
                    None,
                    True,
                    0.5,
                ]
            ]
        ),
    ),
    _p(
        "not-a-number",
        "SELECT 'nan'::DOUBLE, 'inf'::DOUBLE",
        "NaN and infinity come back.",
        also=_rows([[math.nan, math.inf]]),
    ),
    _p(
        "table-in",
        "SELECT item, price * amount AS total FROM sales WHERE item IS NOT NULL ORDER BY item",
        "A table goes in as a table, money as DECIMAL.",
        inputs={"sales": _SALES},
        also=_rows([["bun", Decimal("2.20")], ["tea", Decimal("10.00")]]),
    ),
    _p(
        "hostile-names",
        "SELECT count(*) FROM ok",
        "Names of inputs and columns cannot break out of their channel.",
        inputs={
            "ok": Table(['a"; DROP TABLE ok; --', "select"], [["'; DROP TABLE ok; --", 1]]),
            'x"; DROP TABLE ok; --': Table(["a"], [[1]]),
        },
        also=_rows([[1]]),
    ),
    _p(
        "several",
        "CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1), (2); SELECT sum(a) FROM t",
        "Several statements run in order.",
        also=_rows([[3]]),
    ),
    _p(
        "bad-table",
        "SELECT * FROM nowhere",
        "An unknown table fails the run and is named.",
        status=(Status.FAILED,),
        says=("nowhere",),
    ),
    _p("syntax-error", "SELECT 1;\nSELEC 2", "A syntax error fails the run.", status=(Status.FAILED,)),
    _p(
        "reads-host",
        "SELECT * FROM read_csv('/etc/passwd')",
        "Files are locked.",
        status=(Status.FAILED,),
        hides=("root:",),
    ),
    _p("unlocks", "SET enable_external_access = true; SELECT 1", "The lock cannot be lifted.", status=(Status.FAILED,)),
    _p("installs", "INSTALL httpfs; LOAD httpfs", "No extension is installed.", status=(Status.FAILED,)),
    _p(
        "endless",
        "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b",
        "The wall-clock limit ends an endless query.",
        limits={"max_execution_time": 2500},
        needs=("max_execution_time",),
        status=(Status.TIMED_OUT,),
    ),
    _p(
        "memory",
        "SELECT count(*) FROM (SELECT DISTINCT repeat('x', 200) || range::VARCHAR FROM range(50000000))",
        "The memory limit ends it with the right status.",
        limits={"max_memory_mb": 64, "max_execution_time": 8000},
        needs=("max_memory_mb",),
        status=(Status.OUT_OF_MEMORY,),
    ),
    _p(
        "value-flood",
        "SELECT repeat('x', 100000)",
        "The limit counts the value.",
        limits={"max_output_bytes": 20_000},
        needs=("max_output_bytes",),
        status=(Status.OUTPUT_LIMIT,),
    ),
)
