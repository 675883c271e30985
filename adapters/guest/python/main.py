"""Where a run of the Python guest begins and ends.

Two ways in: in a process that a launcher forked, ``run(frame, report_fd)`` for one program and ``session(read_fd,
report_fd)`` for one command after the other; and this file as a program, which reads its frames from stdin: ``python -I
-S -X utf8 -u /guest/python/main.py``, with ``session`` after it for a session. None comes back; the process ends with
the exit code that CPython would give the program, a session with 0 when its commands end.

``before_fork()`` does what is the same for all processes that will be forked from this one; what it touches there costs
none of them a page. ``warm()`` does what else depends on no request, in a process that is to wait for one: in its own
environment and work folder, after the fork.

What the program leaves behind is dealt with in CPython's order: the traceback, then threads that are not daemons are
waited for, then the value goes out, then atexit handlers run, then the program's names are dropped.
"""

import os
import sys

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    from python.main import start

    start()

import _signal
import atexit
import builtins

from . import channels, outcome, protocol, tracebacks, values
from .forked import reseed
from .program import Program, compile_program

__all__ = ["before_fork", "body_of", "check", "end", "finish", "prepare", "prime", "run", "session", "start", "warm"]

GUEST_FAILED = 70
"""The exit code when the guest itself could not do its work."""

_REHEARSALS = 20  # code that runs is made faster after eight times, on Python 3.11
_REHEARSED = b'{"v":1,"code":"%b","language":"python","allowed_imports":null,"max_value_bytes":100,"inputs":{"a":1}}'
_SESSIONS = __name__.rpartition(".")[0] + ".sessions"
_SITE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "site")
_state = {"prepared": False, "in_folder": False, "program": None, "reserve": None}


def start():
    """Run what comes on stdin; reports go to descriptor 3."""
    if sys.argv[1:] == ["session"]:
        session(os.dup(0), 3)
    frame = protocol.read_frame(0)
    end(lambda: _run(frame, 3))


def run(frame, report_fd):
    """Run the request in ``frame`` (packed, or its JSON alone) and end the process."""
    end(lambda: _run(protocol.parse(body_of(frame)), report_fd))


def session(read_fd, report_fd):
    """Run the commands that come as frames on ``read_fd``, which is not 0; end the process when there are no more."""
    end(lambda: _session(read_fd, report_fd))


def before_fork(folder=None):
    """Do what is the same in all processes that are forked from this one, which runs no program itself.

    Args:
        folder: the one that they will be in, where that is known.
    """
    _prepare_here(channels.open_streams_ahead)
    if folder is not None and not os.path.isdir(_SITE):  # packages may want something in the folder
        sys.path.insert(0, folder)
        _state["in_folder"] = True
    tracebacks.install()
    for _ in range(_REHEARSALS):
        _rehearse(_run_program)
    if _SESSIONS in sys.modules:
        for _ in range(_REHEARSALS):
            _rehearse(_run_commands)
    _state["reserve"] = outcome.reserve()
    _state["program"] = program = Program(folder)
    program.make_guard()


def warm(*, ahead=True):
    """Do all that depends on no request. What comes later is the same, and leaves out what was done.

    Args:
        ahead: whether there is time: no request waits for it.
    """
    reseed()
    if ahead:
        prime()
    prepare()
    if _state["program"] is None:
        _state["program"] = Program()


def body_of(frame):
    """The JSON in a frame that may or may not be packed."""
    return frame if frame[:1] == b"{" else frame[4:]


def end(work):
    """End the process with the code that ``work`` gives, or GUEST_FAILED."""
    code = GUEST_FAILED
    try:
        code = work()
    except BaseException as error:
        channels.complain(f"the guest failed: {type(error).__name__}: {error}")
    finally:
        os._exit(code & 0xFF)


def check(request):
    """Refuse a request of another protocol."""
    if request is None or request.get("v") != protocol.VERSION:
        raise ValueError(f"the request is not of version {protocol.VERSION}")


def prepare():
    """What a fresh CPython process would find: signals, streams, arguments, paths. Only the first call does it."""
    _prepare_here(channels.open_streams)
    if _state["in_folder"]:
        return
    _state["in_folder"] = True
    if os.path.isdir(_SITE):
        _offer_fonts()
    try:
        here = os.getcwd()
    except OSError:
        return
    if here != "/":
        sys.path.insert(0, here)


def _prepare_here(open_streams):
    """The part of it that depends on no folder and no environment."""
    if _state["prepared"]:
        return
    _state["prepared"] = True
    _signal.signal(_signal.SIGINT, _signal.default_int_handler)
    _signal.signal(_signal.SIGPIPE, _signal.SIG_IGN)
    open_streams()
    sys.argv = ["program.py"]
    guest = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sys.path = [entry for entry in sys.path if entry not in (guest, _SITE)]
    if os.path.isdir(_SITE):
        sys.path.append(_SITE)


def _offer_fonts():
    """Matplotlib looks for its list of fonts only in a folder that it can write to; the environment has one made."""
    try:
        folder, made = os.environ["MPLCONFIGDIR"], _SITE + "/.matplotlib"
        names = os.listdir(made)
        os.mkdir(folder)
        for name in names:
            os.symlink(f"{made}/{name}", f"{folder}/{name}")
    except (OSError, KeyError):  # an environment without one, or nothing can be written: it is made anew, or not needed
        pass


def prime():
    """Go once through what every run goes through, so that its memory is this process's own before a request comes.

    After a fork the first write to each page costs a copy of it, so a longer way would cost more than it spares.
    Nothing of this can be found by a program.
    """
    request = protocol.parse(b'{"inputs":{"a":1}}')
    names = {"__builtins__": builtins, **values.decode(request["inputs"])}
    for part in compile_program("b = a + 1\nb", tracebacks.FILE):
        value = eval(part, names)
    values.dumps(value)
    names.clear()


def finish(program):
    """Let go of what the program leaves behind."""
    try:
        atexit._run_exitfuncs()
    except BaseException as error:  # Python 3.9 raises the last one again
        if not isinstance(error, SystemExit):
            tracebacks.print_uncaught(error)
    threading = sys.modules.get("threading")
    if threading is None or threading.active_count() == 1:
        program.forget()
    channels.flush()


def _run(request, report_fd):
    check(request)
    spare = _state["reserve"] or outcome.reserve()
    prepare()
    program = _state["program"]
    if program is None:
        tracebacks.install()
        program = Program()
    report = channels.Report(report_fd, request["max_value_bytes"])
    code = _through(program, request, report, spare)
    finish(program)
    try:  # noqa: SIM105
        report.done(code)
    except OSError:  # the program closed the channel; how the process ends says the same
        pass
    return code


def _through(program, request, report, spare):
    """Run a program to its end and send its value."""
    tracebacks.begin(request["code"], request.get("environment"))
    program.load(request["code"], values.decode(request["inputs"]), request["allowed_imports"])
    code = outcome.perform(program, report, spare)
    outcome.quiet()
    _join_threads()
    outcome.show(program, report)
    if code == 0 and report.is_mine():
        code = outcome.send(program, report, spare)
    return code


def _rehearse(way):
    """Run a program here, where none is ever run for anybody, and forget it.

    What the interpreter learns of code that runs again and again it writes down in many places of its memory. Processes
    that are forked from here find it there, and do not each write to a copy of all these places.
    """
    limit = sys.getrecursionlimit()
    reading, writing = os.pipe()
    prepare()
    way(channels.Report(writing, 100)).forget()
    channels.flush()
    os.close(reading)
    os.close(writing)
    outcome.forget()
    tracebacks.forget()
    sys.setrecursionlimit(limit)


def _run_program(report):
    program = Program()
    request = protocol.parse(_REHEARSED % b"b = a + 1\\nb")
    check(request)
    _through(program, request, report, [])
    return program


def _run_commands(report):
    program = sys.modules[_SESSIONS].Session()
    for code in (b"b = a + 1", b"b += 1\\nb", b"b"):
        request = protocol.parse(_REHEARSED % code)
        check(request)
        report.done(program.obey(request, report))
    return program


def _session(read_fd, report_fd):
    from . import sessions

    prepare()
    tracebacks.install()
    program = sessions.Session()
    code = sessions.serve(read_fd, report_fd, program.obey)
    finish(program)
    return code


def _join_threads():
    threading = sys.modules.get("threading")
    if threading is not None:
        try:
            threading._shutdown()
        except BaseException as error:
            tracebacks.print_uncaught(error)
