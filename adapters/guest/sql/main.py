"""Where a run of the SQL guest begins and ends.

Inputs that are rows (a Table, a list of maps, a list of equally long lists, a map of equally long lists) become tables
under their names; all other inputs are parameters ``$name`` and variables, ``getvariable('name')``. Statements run one
after the other. The value is the result of the last one that returns rows, always as a Table, even where it is a single
cell. Intervals come back as durations, a month as 30 days; times with a zone come back in UTC.

Two ways in, as in the Python guest: ``run(frame, report_fd)`` and ``python -I -S -X utf8 -u /guest/sql/main.py``.
"""

import os
import sys

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    from sql.main import start

    start()

from python import channels, main, protocol, values

from . import results, tables

__all__ = ["run", "start"]

_REACH_NOTHING = (
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET allow_community_extensions = false",
    "SET python_enable_replacements = false",
    "SET TimeZone = 'UTC'",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


def start():
    """Run the request on stdin; reports go to descriptor 3."""
    frame = protocol.read_frame(0)
    main.end(lambda: _run(frame, 3))


def run(frame, report_fd):
    """Run the request in ``frame`` (packed, or its JSON alone) and end the process."""
    main.end(lambda: _run(protocol.parse(main.body_of(frame)), report_fd))


def _run(request, report_fd):
    main.check(request)
    main.prepare()
    report = channels.Report(report_fd, request["max_value_bytes"])
    results.provide_time_zones()
    import _duckdb as duckdb  # the package around it costs as much again and adds nothing that is needed here

    database = _connect(duckdb, request["memory_mb"])
    try:
        inputs = values.decode(request["inputs"])
        parameters = tables.load(database, inputs)
        value = results.run_all(database, request["code"], parameters, request["max_value_bytes"])
        report.value(values.dumps(value))
        return 0
    except tables.InputError as error:
        return _fail(report, "InputError", str(error), str(error), (0, 0))
    except (channels.TooLargeError, values.ValueFormatError) as error:
        message = f"the result cannot be returned: {error}"
        return _fail(report, type(error).__name__, message, message, (0, 0))
    except results.StatementError as error:
        return _fail(report, error.kind, error.message, error.text, (error.line, error.column))
    except MemoryError:
        return _fail(report, "MemoryError", "memory ran out", "MemoryError", (0, 0))


def _fail(report, kind, message, text, place):
    channels.complain(text)
    report.error(kind, message, *place)
    return 1


def _connect(duckdb, memory_mb):
    """A database in memory that holds to its memory, starts no threads and reaches no file, host or extension."""
    config = {"memory_limit": f"{memory_mb}MB", "temp_directory": "", "threads": "1"}
    try:
        database = duckdb.connect(":memory:", config={**config, "async_threads": "0"})
    except duckdb.Error:  # before version 2 there are none
        database = duckdb.connect(":memory:", config=config)
    for statement in _REACH_NOTHING:
        database.execute(statement)
    return database
