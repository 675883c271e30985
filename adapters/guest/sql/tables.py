"""Inputs as tables, parameters and variables."""

import datetime
import decimal

from python.values import Table, ValueFormatError, type_name

__all__ = ["InputError", "load"]

_INT_TYPES = (("BIGINT", 2**63), ("HUGEINT", 2**127))
_MAX_DIGITS = 38
_NUMBERS = ({"int", "decimal"}, {"int", "float"}, {"decimal", "float"}, {"int", "decimal", "float"})


class InputError(ValueError):
    """An input has no form in SQL; the message names it."""


def load(database, inputs):
    """Create the tables and variables, in the place of what an earlier command made; the parameters by name."""
    made = {}
    for name, value in inputs.items():
        table = _as_table(name, value)
        if table is not None:
            other = made.setdefault(name.lower(), name)
            if other != name:
                raise InputError(f"inputs `{other}` and `{name}` are the same table name in SQL")
            _create(database, name, table)
        elif name:
            _set_variable(database, name, value)
    return {name: value for name, value in inputs.items() if not isinstance(value, Table)}


def quoted(name):
    """A name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def _as_table(name, value):
    """Columns with their cells where the value is rows; else None."""
    try:
        if isinstance(value, Table):
            return list(value.columns), [list(cells) for cells in zip(*value.rows)] or [[] for _ in value.columns]
        if type(value) is list and value and all(type(row) is dict for row in value):
            columns = list(dict.fromkeys(column for row in value for column in row))
            return columns, [[row.get(column) for row in value] for column in columns]
        if type(value) is list and value and all(type(row) is list and len(row) == len(value[0]) > 0 for row in value):
            return [f"column{number}" for number in range(len(value[0]))], [list(cells) for cells in zip(*value)]
        if type(value) is dict and value and all(type(cells) is list for cells in value.values()):
            lengths = {len(cells) for cells in value.values()}
            return (list(value), list(value.values())) if len(lengths) == 1 else None
    except TypeError as error:
        raise InputError(f"input `{name}` cannot be read as a table: {error}") from None
    return None


def _create(database, name, table):
    columns, cells = table
    _check_names(name, columns)
    parts, parameters = [], {}
    for number, (column, values) in enumerate(zip(columns, cells)):
        kind, converted = _column(f"column `{column}` of input `{name}`", values)
        parts.append(f"unnest($c{number}{'::' + kind + '[]' if kind else ''}) AS {quoted(column)}")
        parameters[f"c{number}"] = converted
    _execute(
        database, f"CREATE OR REPLACE TABLE {quoted(name)} AS SELECT {', '.join(parts)}", parameters, f"input `{name}`"
    )


def _check_names(name, columns):
    if not name:
        raise InputError("an input of rows needs a name that is not empty, to be a table")
    if not columns:
        raise InputError(f"input `{name}` has no columns, so it cannot be a table")
    seen = {}
    for column in columns:
        if type(column) is not str or not column:
            raise InputError(f"input `{name}` has a column name that is empty or no text, so it cannot be a table")
        other = seen.setdefault(column.lower(), column)
        if len(seen) < len(columns) and other is not column:
            raise InputError(f"columns `{other}` and `{column}` of input `{name}` have the same name in SQL")


def _set_variable(database, name, value):
    if type_name(value) in ("complex", "image", "object"):
        raise InputError(f"input `{name}` is of type {type_name(value)}, which SQL does not have")
    _execute(database, f"SET VARIABLE {quoted(name)} = $v", {"v": plain(value)}, f"input `{name}`")


def plain(value):
    """A value as DuckDB takes it: fractions and sets are lists of their parts, tables lists of maps."""
    if isinstance(value, (set, frozenset)):
        return [plain(item) for item in value]
    if type(value) in (list, tuple):
        return [plain(item) for item in value]
    if type(value) is dict:
        return {key: plain(item) for key, item in value.items()}
    if type_name(value) == "fraction":
        return float(value)
    if isinstance(value, Table):
        return [plain(row) for row in value]
    return value


def _execute(database, statement, parameters, what):
    import _duckdb as duckdb

    try:
        database.execute(statement, parameters)
    except (duckdb.Error, UnicodeError, OverflowError, TypeError, ValueFormatError) as error:
        raise InputError(f"{what} has no form in SQL: {str(error).partition(chr(10) + chr(10))[0]}") from None


def _column(what, values):
    """The SQL type of a column ("" lets DuckDB see for itself) and its cells made alike."""
    kinds = {_kind(value) for value in values} - {"null"}
    if kinds in _NUMBERS:
        kinds = {"float"} if "float" in kinds else {"decimal"}
    elif kinds == {"date", "datetime"}:
        kinds = {"datetime"}
    if not kinds:
        return "", values
    if len(kinds) > 1:
        raise InputError(f"{what} mixes {' and '.join(sorted(kinds))}; a column has one type")
    kind = kinds.pop()
    if kind == "int":
        return _int_type(what, values), values
    if kind == "decimal":
        return _decimal_column(what, values)
    if kind == "float":
        return "DOUBLE", [None if value is None else float(value) for value in values]
    if kind in _SIMPLE:
        return _SIMPLE[kind], values
    if kind in ("list", "map", "set", "table", "fraction"):
        return "", [plain(value) for value in values]
    raise InputError(f"{what} is of type {kind}, which SQL does not have")


_SIMPLE = {
    "bool": "BOOLEAN",
    "str": "VARCHAR",
    "bytes": "BLOB",
    "date": "DATE",
    "datetime": "TIMESTAMP",
    "datetime with time zone": "TIMESTAMPTZ",
    "time": "TIME",
    "time with time zone": "TIMETZ",
    "duration": "INTERVAL",
}


def _kind(value):
    name = type_name(value)
    if isinstance(value, (datetime.datetime, datetime.time)) and value.tzinfo is not None:
        return name + " with time zone"
    return name


def _int_type(what, values):
    largest = max((abs(value) for value in values if value is not None), default=0)
    for name, bound in _INT_TYPES:
        if largest < bound:
            return name
    raise InputError(f"{what} holds an integer of more than 127 bits, the most that SQL has")


def _decimal_column(what, values):
    cells = [None if value is None else decimal.Decimal(value) for value in values]
    whole, scale = 1, 0
    for cell in cells:
        if cell is not None:
            if not cell.is_finite():
                return "DOUBLE", [None if value is None else float(value) for value in values]
            _, digits, exponent = cell.as_tuple()
            whole = max(whole, len(digits) + exponent)
            scale = max(scale, -exponent)
    if whole + scale > _MAX_DIGITS:
        raise InputError(f"{what} needs {whole + scale} digits; a DECIMAL in SQL has at most {_MAX_DIGITS}")
    return f"DECIMAL({whole + scale},{scale})", cells
