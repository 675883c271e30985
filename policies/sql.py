"""What the syntax tree of SQL says, in DuckDB's dialect.

SQL imports nothing, but some statements and functions reach out of the database. sqlglot does not know all of DuckDB's
syntax, so where it finds an error DuckDB's own parser is asked, which runs nothing. What DuckDB takes and sqlglot does
not is marked as unreadable.
"""

import logging
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from policies.facts import Facts, Mark, NeedsWorkerError, TooComplexError, Weight, words
from policies.notes import Notes
from policies.sql_order import order_is_fixed

if TYPE_CHECKING:
    from sqlglot import Token, exp

__all__ = ["read"]

_REACHING_STATEMENTS = words("ATTACH COPY DETACH EXPORT FORCE IMPORT INSTALL LOAD UPDATE_EXTENSIONS")
_CONFIGURING_STATEMENTS = words("PRAGMA RESET SET")
_REACHING_FUNCTIONS = words("""
    delta_scan getenv glob iceberg_metadata iceberg_scan mysql_query mysql_scan parquet_file_metadata
    parquet_kv_metadata parquet_metadata parquet_scan parquet_schema postgres_query postgres_scan read_blob read_csv
    read_csv_auto read_json read_json_auto read_json_objects read_ndjson read_ndjson_auto read_ndjson_objects
    read_parquet read_text read_xlsx sniff_csv sqlite_scan st_read
""")
_FILE = re.compile(
    r"://|^[/~]|[*]|\.(csv|tsv|txt|parquet|jsonl?|ndjson|xlsx|avro|arrow|db|duckdb|sqlite|gz|zst)$", re.I
)

_UNSTEADY_FUNCTIONS = words("""
    any_value approx_count_distinct approx_quantile approx_top_k arbitrary arg_max arg_max_null arg_min arg_min_null
    array_agg current_catalog current_database current_query current_schema current_schemas current_setting currval
    first gen_random_uuid get_current_time get_current_timestamp group_concat hash in_search_path last list listagg
    max_by min_by mode nextval now query query_table random reservoir_quantile setseed shuffle string_agg
    today transaction_timestamp txid_current uuid uuidv4 uuidv7 version
    first_value lag last_value lead nth_value ntile row_number
""")
"""Functions that depend on the clock, on chance or on the order of rows."""

_UNSTEADY_WORDS = words("""
    current_catalog current_date current_role current_schema current_time current_timestamp current_user localtime
    localtimestamp reservoir sample session_user tablesample user
""")
_UNSTEADY_PREFIXES = ("duckdb_", "pg_", "pragma_")
_CALLED = re.compile(r"(\w+)\s*\(")
_REMEDY = "Send the data along as inputs: each table is there under its name."


def read(code: str, *, in_worker: bool) -> Facts:
    """The facts of SQL code.

    Raises:
        NeedsWorkerError: it is nested deeply, or DuckDB has to be asked.
        TooComplexError: the parser gave up.
    """
    from sqlglot.errors import SqlglotError

    try:
        return _Reader(code).facts()
    except SqlglotError as error:
        found = error
    except RecursionError:
        if not in_worker:  # the worker has a higher limit
            raise NeedsWorkerError("it is nested deeply") from None
        raise TooComplexError("it is nested too deeply") from None
    if not in_worker:
        raise NeedsWorkerError("sqlglot does not know it, so DuckDB has to be asked")
    wrong = _second_opinion(code, found)
    if wrong is not None:
        return Facts(error=wrong)
    message = "DuckDB takes this, but it cannot be checked: the parser here does not know all of it."
    unreadable = Mark("unreadable", Weight.REACH, 1, 1, message, "Write it in plainer SQL.")
    return Facts(marks=(unreadable,), doubt="it cannot be read")


def _second_opinion(code: str, found: Exception) -> Mark | None:
    """What DuckDB says where sqlglot found an error: its own error, or None. Without DuckDB sqlglot's counts."""
    try:
        import duckdb
    except ImportError:
        detail = (getattr(found, "errors", None) or [{}])[0]
        message = f"SyntaxError: {detail.get('description') or 'the statement cannot be parsed'}"
        return Mark("syntax-error", Weight.NOTE, detail.get("line") or 1, detail.get("col") or 1, message)
    try:
        duckdb.extract_statements(code)
    except duckdb.ParserException as error:
        return _duckdb_error(str(error))
    except duckdb.Error:
        raise TooComplexError("it is too much for DuckDB's own parser") from None
    return None


def _duckdb_error(said: str) -> Mark:
    """The error in DuckDB's report: a sentence, the line with its number, and a caret below the place."""
    sentence = said.partition("\n")[0].removeprefix("Parser Error: ")
    line, column = 1, 1
    place = re.search(r"^LINE (\d+): (.*)\n( *)\^", said, re.MULTILINE)
    if place:
        line = int(place[1])
        if not place[2].startswith("..."):  # a long line is cut, and its columns with it
            column = max(1, len(place[3]) - len(f"LINE {line}: ") + 1)
    return Mark("syntax-error", Weight.NOTE, line, column, f"SyntaxError: {sentence}")


@cache
def _dialect() -> Any:
    from sqlglot.dialects.duckdb import DuckDB

    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)  # it warns of every statement that it does not know
    return DuckDB()


class _Reader:
    """One walk over one script."""

    def __init__(self, code: str) -> None:
        self._code = code
        self._notes = Notes(code.encode("utf-8", "replace"))
        dialect = _dialect()
        self._tokens: list[Token] = dialect.tokenize(code)
        self._statements: list[tuple[Token, exp.Expression]] = []
        for chunk in _chunks(self._tokens):
            parsed = dialect.parser().parse(chunk, code)
            self._statements.extend((chunk[0], each) for each in parsed if each is not None)

    def facts(self) -> Facts:
        from sqlglot import exp

        readable = (exp.Query, exp.Create, exp.Insert, exp.Update, exp.Delete, exp.Drop, exp.Values, exp.Pivot)
        for first, statement in self._statements:
            if not isinstance(statement, readable):
                self._notes.doubted(f"it has the statement {first.text.upper()}")
            self._statement(first)
            self._tables(first, statement)
        self._functions()
        for _, statement in self._statements:
            if not order_is_fixed(statement):
                self._notes.doubted("the order of its rows is not fixed")
        return self._notes.facts()

    def _place(self, token: "Token") -> tuple[int, int]:
        before = self._code[: token.start]
        newline = before.rfind("\n") + 1
        return before.count("\n") + 1, len(before[newline:].encode("utf-8", "replace"))

    def _statement(self, first: "Token") -> None:
        position = next(index for index, token in enumerate(self._tokens) if token.start == first.start)
        rest = " ".join(token.text for token in self._tokens[position : position + 8])  # a command's rest is one token
        following = rest.upper().split()
        kind = following[0] if following else ""
        if kind in ("EXPLAIN", "ANALYZE"):
            following = [word for word in following[:3] if word not in ("EXPLAIN", "ANALYZE")]
            kind = following[0] if following else kind
        if kind == "UPDATE" and following[1:2] == ["EXTENSIONS"]:
            kind = "UPDATE_EXTENSIONS"
        for name in _CALLED.findall(rest) if first.text.upper() == "EXPLAIN" else ():
            if name.lower() in _REACHING_FUNCTIONS:
                self._reaches(name.lower(), first)
        is_secret = kind == "CREATE" and "SECRET" in following[:6]
        if kind in _REACHING_STATEMENTS or is_secret:
            name = "CREATE SECRET" if is_secret else kind.replace("_", " ")
            self._reaches(name, first)
        elif kind in _CONFIGURING_STATEMENTS and following[1:2] != ["VARIABLE"]:
            message = f"`{kind}` changes or reads the database's configuration, which is locked."
            self._notes.mark("changes-settings", Weight.TRICK, *self._place(first), message, "Do without it.")

    def _reaches(self, name: str, token: "Token") -> None:
        message = f"`{name}` reaches out of the database, which nothing here may."
        self._notes.mark("reaches-outside", Weight.REACH, *self._place(token), message, _REMEDY)

    def _tables(self, first: "Token", statement: "exp.Expression") -> None:
        """DuckDB reads a file where a table is named like one."""
        from sqlglot import exp

        for table in statement.find_all(exp.Table):
            if isinstance(table.this, exp.Identifier) and _FILE.search(table.name):
                self._reaches(table.name, first)

    def _functions(self) -> None:
        """By token, so that what sqlglot takes for a mere command is looked at too."""
        from sqlglot import TokenType

        after = None
        dot = False
        for index, token in enumerate(self._tokens):
            after = self._tokens[index + 1] if index + 1 < len(self._tokens) else None
            called = after is not None and after.token_type is TokenType.L_PAREN
            name = token.text.lower()
            if token.token_type in (TokenType.STRING, TokenType.NUMBER):
                continue
            if called and name in _REACHING_FUNCTIONS:
                self._reaches(name, token)
                self._notes.doubted(f"it calls {name}")
            unsteady = name in _UNSTEADY_FUNCTIONS or name.startswith(_UNSTEADY_PREFIXES)
            if (called and unsteady) or (name.startswith(_UNSTEADY_PREFIXES) and not dot):
                self._notes.doubted(f"it calls {name}")
            if name in _UNSTEADY_WORDS and token.token_type is not TokenType.IDENTIFIER and not dot:
                self._notes.doubted(f"it uses {name}")
            dot = token.token_type is TokenType.DOT


def _chunks(tokens: "list[Token]") -> "list[list[Token]]":
    """The tokens of each statement."""
    from sqlglot import TokenType

    chunks: list[list[Token]] = [[]]
    for token in tokens:
        if token.token_type is TokenType.SEMICOLON:
            chunks.append([])
        else:
            chunks[-1].append(token)
    return [chunk for chunk in chunks if chunk]
