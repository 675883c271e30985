"""Tracebacks that point at the caller's lines and show none of the guest's.

The module traceback is imported only to print one.
"""

import os
import sys

__all__ = [
    "FILE",
    "add_source_line",
    "begin",
    "class_name",
    "forget",
    "install",
    "place",
    "print_uncaught",
    "tidy",
]

FILE = "program.py"
"""The file name that the program, or the first command of a session, has in tracebacks."""

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_sources = {}  # by file name, the current one last
_entries = {}  # the same as linecache keeps them
_state = {"file": FILE, "environment": None}


def begin(code, environment):
    """From now on this is the program that runs; in a session, the next command.

    Args:
        code: its source.
        environment: ``{"name", "remedy"}`` of the guest environment, to say how a module that is missing can be had.

    Returns:
        Its file name, as no earlier command has it.
    """
    file = f"program-{len(_sources) + 1}.py" if _sources else FILE
    _sources[file] = code
    _state.update(file=file, environment=environment)
    if len(_sources) == 2:  # a single one is found through the loader of __main__
        _show_sources()
    elif len(_sources) > 2:
        _show_source(file)
    return file


def forget():
    """Be as before the first program."""
    linecache = sys.modules.get("linecache")
    for file in _entries:
        linecache.cache.pop(file, None)
    _sources.clear()
    _entries.clear()
    _state.update(file=FILE, environment=None)


def install():
    """Take over every place where CPython would print a traceback."""
    sys.excepthook = _show
    sys.unraisablehook = _show_unraisable
    import _thread

    _thread._excepthook = _show_in_thread  # threading takes it from there when it is imported
    threading = sys.modules.get("threading")
    if threading is not None:
        threading.excepthook = threading.__excepthook__ = _show_in_thread


def print_uncaught(error):
    """Print through ``sys.excepthook``, which may be the program's own, as CPython does."""
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except BaseException as second:
        sys.stderr.write("Error in sys.excepthook:\n")
        tidy(second)
        _show(type(second), second, second.__traceback__)
        sys.stderr.write("\nOriginal exception was:\n")
        _show(type(error), error, error.__traceback__)


def tidy(error):
    """Take the guest's frames out of an exception and all it is chained to; add a remedy where a module is missing."""
    seen = set()
    waiting = [error]
    while waiting:
        current = waiting.pop()
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        current.__traceback__ = _without_guest(current.__traceback__)
        if type(current) is ModuleNotFoundError:
            _add_remedy(current)
        waiting += [current.__cause__, current.__context__]
        members = getattr(current, "exceptions", None)
        if isinstance(members, tuple):
            waiting += members


def place(error):
    """Line and column (from 1; 0 where there is none) in the program where the exception came from.

    In a session the program is the current command, even where the fault is in a function of an earlier one.
    """
    if isinstance(error, SyntaxError) and error.filename == _state["file"]:
        return error.lineno or 0, max(error.offset or 0, 0)
    found = None
    tb = error.__traceback__
    while tb is not None:
        if tb.tb_frame.f_code.co_filename == _state["file"]:
            found = tb
        tb = tb.tb_next
    return (0, 0) if found is None else (found.tb_lineno or 0, _column(found))


def class_name(error):
    """The name of an exception's class as a traceback has it."""
    kind = type(error)
    module = kind.__module__
    return kind.__qualname__ if module in ("builtins", "__main__") else f"{module}.{kind.__qualname__}"


def add_source_line(error):
    """Give a SyntaxError of the program's the line that it is about; compiling from a tree does not."""
    if error.filename == _state["file"] and error.lineno:
        lines = _lines(_sources[error.filename])
        error.text = lines[error.lineno - 1] if error.lineno <= len(lines) else None


def _lines(code):
    """The lines as Python counts them: other line breaks of Unicode do not end one."""
    return [line + "\n" for line in code.replace("\r\n", "\n").replace("\r", "\n").split("\n")]


def _column(tb):
    positions = getattr(tb.tb_frame.f_code, "co_positions", None)
    if positions is None:  # before Python 3.11
        return 0
    for number, (line, _, column, _) in enumerate(positions()):
        if number == tb.tb_lasti // 2:
            if line is None or column is None:
                return 0
            text = _lines(_sources[tb.tb_frame.f_code.co_filename])[line - 1].encode("utf-8", "replace")
            return len(text[:column].decode("utf-8", "replace")) + 1
    return 0


def _without_guest(tb):
    if tb is not None and _is_guest(tb):
        while tb is not None and tb.tb_frame.f_code.co_filename not in _sources:
            tb = tb.tb_next
    current = tb
    while current is not None:
        while current.tb_next is not None and _is_guest(current.tb_next):
            current.tb_next = current.tb_next.tb_next
        current = current.tb_next
    return tb


def _is_guest(tb):
    name = tb.tb_frame.f_code.co_filename
    return name.startswith(_HERE) and not name.startswith(_HERE + "site" + os.sep)


def _add_remedy(error):
    environment = _state["environment"]
    package = (error.name or "").partition(".")[0]
    if not environment or not package or package in getattr(sys, "stdlib_module_names", ()) or package in sys.modules:
        return
    remedy = environment["remedy"].replace("{package}", package)
    error.msg = f"{error.msg}: it is not in the guest environment `{environment['name']}`. {remedy}"


def _show_sources():
    """Give linecache the source of the program and of every earlier command."""
    for file in _sources:
        _show_source(file)


def _show_source(file):
    import linecache

    if file not in _entries:
        code = _sources[file]
        _entries[file] = (len(code), None, _lines(code), file)
    linecache.cache[file] = _entries[file]  # whatever files lie in the work folder


def _show(kind, error, tb, *, carets=True):
    import traceback

    _show_sources()
    if carets:
        text = "".join(traceback.format_exception(kind, error, tb))
    else:
        told = traceback.TracebackException(kind, error, tb, compact=True)
        for frame in told.stack:
            frame.colno = None
        text = "".join(told.format())
    if isinstance(error, (AttributeError, NameError)) and (3, 10) <= sys.version_info < (3, 12):
        text = text[:-1] + _suggestion(kind, error, tb) + "\n"
    stream = sys.stderr
    if stream is not None:
        stream.write(text)
        stream.flush()


def _suggestion(kind, error, tb):
    """CPython's "Did you mean", which before 3.12 only the traceback printer in C knows."""
    import io

    held, sys.stderr = sys.stderr, io.StringIO()
    try:
        sys.__excepthook__(kind, error, tb)
        said = sys.stderr.getvalue()
    finally:
        sys.stderr = held
    return said[said.rfind(". Did you mean: ") :].rstrip("\n") if ". Did you mean: " in said else ""


def _show_in_thread(args):
    if args.exc_type is SystemExit or sys.stderr is None:
        return
    import threading

    name = args.thread.name if args.thread is not None else threading.get_ident()
    tidy(args.exc_value)
    sys.stderr.write(f"Exception in thread {name}:\n")
    _show(args.exc_type, args.exc_value, args.exc_value.__traceback__)


def _show_unraisable(args):
    if sys.stderr is None:
        return
    tidy(args.exc_value)
    what = args.err_msg or "Exception ignored in"
    if args.object is not None:
        try:
            what = f"{what}: {args.object!r}"
        except Exception:
            what = f"{what}: <object repr() failed>"
    sys.stderr.write(what + "\n")
    tb = args.exc_traceback if args.exc_value is None else args.exc_value.__traceback__
    _show(args.exc_type, args.exc_value, tb, carets=sys.version_info[:2] != (3, 13))  # its printer in C has none
