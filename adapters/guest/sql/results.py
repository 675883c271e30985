"""Statements run one after the other, and the result of the last one that returns rows."""

import datetime
import re
import sys

from python.channels import TooLargeError
from python.values import Table

from . import tables

__all__ = ["StatementError", "provide_time_zones", "run_all"]

_ROWS = ("SELECT", "EXPLAIN", "CALL", "PRAGMA", "EXECUTE", "MULTI", "RELATION", "LOGICAL_PLAN")
_SIGNALS = (["Count"], ["Success"])  # what statements say that return no rows of their own
_FETCH = 2000
_POSITION = re.compile(r"\n\nLINE (\d+): (.*)\n( *)\^", re.DOTALL)


class StatementError(Exception):
    """A statement failed.

    Attributes:
        kind: DuckDB's name for it, as "Parser Error"; "MemoryError" where its memory ran out.
        message: without the source line.
        text: as DuckDB tells it, with the source line and a caret.
        line, column: where in the code, from 1; 0 where it cannot be told.
    """

    def __init__(self, error, code, offset):
        super().__init__(str(error))
        text = str(error)
        head = _POSITION.split(text, maxsplit=1)[0]
        kind, _, message = head.partition(": ")
        self.kind, self.message = (kind, message.strip()) if message else (type(error).__name__, head)
        if type(error).__name__ == "OutOfMemoryException":
            self.kind = "MemoryError"
        self.line, self.column = _place(text, code, offset)
        self.text = text if self.line == 0 else re.sub(r"\nLINE \d+: ", f"\nLINE {self.line}: ", text, count=1)


def run_all(database, code, parameters, max_value_bytes):
    """Run every statement; a Table, or None where none returned rows.

    Raises:
        StatementError: one of them failed; what came before has run.
        TooLargeError: the result has more rows than fit into ``max_value_bytes``.
    """
    import _duckdb as duckdb

    try:
        statements = database.extract_statements(code)
    except (duckdb.Error, UnicodeError, RuntimeError) as error:
        raise StatementError(error, code, 0) from None
    found = None
    position = 0
    for statement in statements:
        offset = max(code.find(statement.query, position), position)
        position = offset + len(statement.query)
        try:
            wanted = _wanted(statement.named_parameters, parameters)
            # As text, and not as the parsed statement, whose errors point into another statement's source.
            cursor = database.execute(statement.query, wanted) if wanted else database.execute(statement.query)
            columns = [column[0] for column in cursor.description or ()]
            if columns and (statement.type.name in _ROWS or columns not in _SIGNALS):
                found = _fetch(cursor, columns, max_value_bytes)
        except (duckdb.Error, UnicodeError, RuntimeError) as error:
            raise StatementError(error, code, offset) from None
    return found


def _wanted(names, parameters):
    """The parameters that a statement names; in SQL upper and lower case are the same."""
    folded = {name.lower(): name for name in parameters}
    found = {}
    for name in names:
        known = name if name in parameters else folded.get(name.lower())
        if known is not None:
            found[name] = tables.plain(parameters[known])
    return found


def _fetch(cursor, columns, max_value_bytes):
    """All rows, unless they cannot fit: a cell takes two bytes at least."""
    convert = _converters(cursor.description)
    rows = []
    while True:
        piece = cursor.fetchmany(_FETCH)
        if not piece:
            return Table(columns, rows)
        rows += [convert(row) for row in piece] if convert else piece
        if 2 * len(rows) * len(columns) > max_value_bytes:
            raise TooLargeError(
                f"its first {len(rows)} rows alone take more than the {max_value_bytes} bytes that the policy lets out "
                "(max_output_bytes)"
            )


def _converters(description):
    """What turns a row's UUIDs into text and its BIGNUMs into integers; None where there are none."""
    places = [number for number, column in enumerate(description) if re.search("UUID|BIGNUM|VARINT", str(column[1]))]
    if not places:
        return None
    bignums = {number for number in places if str(description[number][1]) in ("BIGNUM", "VARINT")}

    def convert(row):
        cells = list(row)
        for number in places:
            cells[number] = (
                int(cells[number]) if number in bignums and cells[number] is not None else _text(cells[number])
            )
        return cells

    return convert


def _text(cell):
    """UUIDs as text, in lists and maps too."""
    if type(cell).__name__ == "UUID":
        return str(cell)
    if isinstance(cell, (list, tuple)):
        return [_text(item) for item in cell]
    if isinstance(cell, dict):
        return {_text(key): _text(item) for key, item in cell.items()}
    return cell


def _place(text, code, offset):
    """Line and column in the whole code of the place that an error of one statement names."""
    match = _POSITION.search(text)
    if not match:
        return 0, 0
    before = code[:offset]
    line = before.count("\n") + int(match[1])
    lines = code.split("\n")
    if line > len(lines):
        return 0, 0
    column = len(match[3]) - len(f"LINE {match[1]}: ")
    shown = match[2].partition("\n")[0]
    if shown.startswith("..."):  # DuckDB cuts long lines at both ends
        column += lines[line - 1].find(shown[3:].removesuffix("...")) - 3
    elif line == before.count("\n") + 1:
        column += offset - (before.rfind("\n") + 1)
    return line, max(column + 1, 0)


class _Utc(datetime.tzinfo):
    """UTC as pytz has it. The session's zone is UTC and locked, so DuckDB asks for no other."""

    def utcoffset(self, moment):
        return datetime.timedelta(0)

    def dst(self, moment):
        return datetime.timedelta(0)

    def tzname(self, moment):
        return "UTC"

    def localize(self, moment):
        return moment.replace(tzinfo=datetime.timezone.utc)


def provide_time_zones():
    """Stand in for the module pytz, which DuckDB imports to make a datetime of a TIMESTAMPTZ."""
    if "pytz" not in sys.modules:
        module = type(sys)("pytz")
        module.utc = _Utc()
        module.timezone = lambda name: module.utc
        module.UnknownTimeZoneError = KeyError
        sys.modules["pytz"] = module
