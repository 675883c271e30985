"""What validation says of SQL."""

import duckdb
import pytest


@pytest.mark.parametrize(
    "code",
    [
        "ATTACH 'x.db' AS y",
        "COPY t TO 'x.csv'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "EXPORT DATABASE 'x'",
        "EXPLAIN ANALYZE COPY t TO 'x.csv'",
        "EXPLAIN SELECT * FROM read_csv('x')",
        "CREATE OR REPLACE SECRET s (TYPE s3)",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM READ_PARQUET ('x')",
        "SELECT * FROM 'data.csv'",
        "FROM 's3://bucket/x'",
        "SELECT getenv('HOME')",
        "SELECT 1; FROM glob('*')",
    ],
)
async def test_what_reaches_out_is_denied_under_a_list_and_warned_of_without(validate, code):
    """Statements, functions and table names that reach files, the network or the environment; places from 1."""
    strict, standard = await validate(code, "sql"), await validate(code, "sql", "standard")
    assert strict.verdict == "denied"
    assert standard.verdict == "safe"
    risk = next(risk for risk in strict.risks if risk.severity == "deny")
    assert risk.line == 1
    assert risk.column >= 1
    assert "warn" in {risk.severity for risk in standard.risks}


@pytest.mark.parametrize("code", ["SET threads = 1", "PRAGMA table_info('t')", "RESET threads"])
async def test_configuration_is_warned_of(validate, code):
    """The guest's configuration is locked, so a statement that changes it is a mistake."""
    verdict = await validate(code, "sql")
    assert [(risk.rule, risk.severity) for risk in verdict.risks] == [("changes-settings", "warn")]


@pytest.mark.parametrize(
    "code",
    [
        "SELECT 'read_csv(1)', \"LOAD\" FROM t -- ATTACH 'x'",
        "WITH a AS (SELECT 1 AS x) SELECT x FROM a",
        "FROM orders SELECT customer, sum(total) GROUP BY ALL",
        "CREATE TABLE a AS SELECT * FROM range(10); SELECT * FROM a",
        "SELECT list_transform([1, 2], x -> x + 1), {'a': 1}.a, 1::DECIMAL(10, 2)",
        "PIVOT t ON a USING sum(b)",
        "SET VARIABLE x = 1; SELECT getvariable('x'); RESET VARIABLE x",
        "SELECT " + "(" * 150 + "1" + ")" * 150,
        "",
    ],
)
async def test_plain_sql_is_safe(validate, code):
    """Words in strings, quoted names and comments are not statements; DuckDB's own syntax is read."""
    verdict = await validate(code, "sql")
    assert verdict.verdict == "safe"
    assert verdict.error is None
    assert verdict.risks == ()


@pytest.mark.parametrize(
    ("code", "line", "column"),
    [("SELEC 1", 1, 1), ("SELECT 1;\nSELECT\n  a b c FROM t", 3, 7), ("SELECT (", 1, 8), ("SELECT 'abc", 1, 8)],
)
async def test_errors_are_duckdbs_own_with_their_place(validate, code, line, column):
    """What cannot be parsed is the program's own failure, told in DuckDB's words with its line and column."""
    with pytest.raises(duckdb.ParserException):
        duckdb.extract_statements(code)
    verdict = await validate(code, "sql")
    assert verdict.verdict == "safe"
    assert (verdict.error.line, verdict.error.column) == (line, column)
    assert verdict.error.message.startswith("SyntaxError: ")
    assert "\n" not in verdict.error.message


@pytest.mark.parametrize(
    "code",
    [
        "SELECT 1",
        "SELECT * FROM t",
        "SELECT a, b * 2 FROM t WHERE a > 1 LIMIT 3",
        "SELECT sum(x), count(*) FROM t",
        "SELECT a, count(*) AS n FROM t GROUP BY a ORDER BY n DESC, a",
        "SELECT a, count(*) FROM t GROUP BY 1 ORDER BY 1",
        "SELECT a FROM t GROUP BY ALL ORDER BY ALL",
        "SELECT DISTINCT a, b FROM t ORDER BY a, b",
        "SELECT sum(x) FROM a JOIN b USING (i)",
        "SELECT a FROM t UNION SELECT 1 ORDER BY ALL",
        "SELECT 'now()' AS \"current_date\"",
    ],
)
async def test_what_has_one_order_is_deterministic(validate, code):
    """Scans, single rows, and rows sorted by all that tells them apart."""
    assert (await validate(code, "sql", "standard")).deterministic


@pytest.mark.parametrize(
    "code",
    [
        "SELECT now()",
        "SELECT current_date",
        "SELECT today()",
        "SELECT random()",
        "SELECT uuid()",
        "SELECT * FROM t USING SAMPLE 3",
        "SELECT * FROM t TABLESAMPLE 10%",
        "SELECT a, count(*) FROM t GROUP BY a",
        "SELECT a, count(*) AS n FROM t GROUP BY a ORDER BY n",
        "SELECT DISTINCT a FROM t",
        "SELECT * FROM a JOIN b USING (i)",
        "SELECT a FROM t UNION SELECT 1",
        "SELECT a, b FROM t ORDER BY a",
        "SELECT first(a) FROM t",
        "SELECT string_agg(a) FROM t",
        "SELECT row_number() OVER () FROM t",
        "SELECT nextval('s')",
        "SELECT version()",
        "SELECT * FROM duckdb_settings()",
        "SELECT hash('a')",
        "SELECT * FROM read_csv('x')",
        "EXPLAIN ANALYZE SELECT 1",
    ],
)
async def test_clock_chance_and_open_order_are_not_deterministic(validate, code):
    """False in doubt."""
    assert not (await validate(code, "sql", "standard")).deterministic
