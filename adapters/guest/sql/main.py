"""Where a run of the SQL guest begins and ends.

Inputs that are rows (a Table, a list of maps, a list of equally long lists, a map of equally long lists) become tables
under their names; all other inputs are parameters ``$name`` and variables, ``getvariable('name')``. Statements run one
after the other. The value is the result of the last one that returns rows, always as a Table, even where it is a single
cell. Intervals come back as durations, a month as 30 days; times with a zone come back in UTC.

In a session the database lives on: tables and variables stay (DuckDB takes a variable for a parameter that is not
given), and an input with the name of a table replaces it.

The ways in are those of the Python guest: ``run(frame, report_fd)``, ``session(read_fd, report_fd)``, ``warm()`` and
``python -I -S -X utf8 -u /guest/sql/main.py``.
"""

import os
import sys

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    from sql.main import start

    start()

from python import channels, main, protocol, sessions, values
from python.forked import reseed

from . import results, tables

__all__ = ["before_fork", "run", "session", "start", "warm"]

_REACH_NOTHING = (
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET allow_community_extensions = false",
    "SET python_enable_replacements = false",
    "SET TimeZone = 'UTC'",
    "SET enable_external_access = false",
)
_state = {"database": None}


def start():
    """Run what comes on stdin; reports go to descriptor 3."""
    if sys.argv[1:] == ["session"]:
        session(os.dup(0), 3)
    frame = protocol.read_frame(0)
    main.end(lambda: _run(frame, 3))


def run(frame, report_fd):
    """Run the request in ``frame`` (packed, or its JSON alone) and end the process."""
    main.end(lambda: _run(protocol.parse(main.body_of(frame)), report_fd))


def session(read_fd, report_fd):
    """Run the commands that come as frames on ``read_fd``, which is not 0; end the process when there are no more."""
    main.end(lambda: _session(read_fd, report_fd))


def before_fork(folder=None):
    """Do what is the same in all processes that are forked from this one; see ``python.main``."""
    main.before_fork(folder)


def warm(*, ahead=True):
    """Do all that depends on no request; see ``python.main``."""
    if _state["database"] is None:
        reseed()
        if ahead:
            main.prime()
        main.prepare()
        if ahead:
            _prime()
        _state["database"] = _open()


def _prime():
    """Go once through what every run goes through, on a database that is gone then."""
    database = _open()
    _close_off(database, 16)
    values.dumps(results.run_all(database, "SELECT 1 AS a", {}, 1000))
    database.close()


def _run(request, report_fd):
    main.check(request)
    main.prepare()
    report = channels.Report(report_fd, request["max_value_bytes"])
    return _obey(_database(request), request, report)


def _session(read_fd, report_fd):
    main.prepare()
    known = []

    def obey(request, report):
        if not known:
            known.append(_database(request))
        return _obey(known[0], request, report)

    return sessions.serve(read_fd, report_fd, obey)


def _obey(database, request, report):
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


def _database(request):
    """The database of a run or session, held to the memory of its first request."""
    database = _state["database"] or _open()
    _close_off(database, request["memory_mb"])
    return database


def _open():
    """A database in memory that starts no threads and reaches no file, host or extension."""
    import _duckdb as duckdb  # the package around it costs as much again and adds nothing that is needed here

    results.provide_time_zones()
    config = {"temp_directory": "", "threads": "1"}
    try:
        database = duckdb.connect(":memory:", config={**config, "async_threads": "0"})
    except duckdb.Error:  # before version 2 there are none
        database = duckdb.connect(":memory:", config=config)
    for statement in _REACH_NOTHING:
        database.execute(statement)
    return database


def _close_off(database, memory_mb):
    """From now on no setting can be changed."""
    database.execute(f"SET memory_limit = '{int(memory_mb)}MB'")
    database.execute("SET lock_configuration = true")
