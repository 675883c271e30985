"""Where a run of the Python guest begins and ends.

Two ways in: ``run(frame, report_fd)`` in a process that a launcher forked, and this file as a program, which reads the
request frame from its stdin: ``python -I -S -X utf8 -u /guest/python/main.py``. Neither comes back; the process ends
with the exit code that CPython would give the program.

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

from . import channels, protocol, tracebacks, values
from .program import Program

__all__ = ["run", "start"]

GUEST_FAILED = 70
"""The exit code when the guest itself could not do its work."""

_RESERVE_BYTES = 4 << 20  # given back when memory runs out, so that the error can still be told
_SITE = "/guest/site"


def start():
    """Run the request on stdin; reports go to descriptor 3."""
    frame = protocol.read_frame(0)
    end(lambda: _run(frame, 3))


def run(frame, report_fd):
    """Run the request in ``frame`` (packed, or its JSON alone) and end the process."""
    end(lambda: _run(protocol.parse(body_of(frame)), report_fd))


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


def _run(request, report_fd):
    check(request)
    reserve = [bytes(_RESERVE_BYTES)]  # not bytearray, which would touch every page of it
    prepare()
    report = channels.Report(report_fd, request["max_value_bytes"])
    tracebacks.install(request["code"], request.get("environment"))
    program = Program(request["code"], values.decode(request["inputs"]), request["allowed_imports"])
    _deepen()
    code, failure = 0, None
    try:
        program.run()
    except BaseException as error:
        reserve.clear()
        failure = error
    if failure is not None:  # no longer being handled, so that a hook of the program's sees what it would in CPython
        code = _exit_code(failure, report) if isinstance(failure, SystemExit) else _fail(failure, report)
        failure = None
    _quiet()
    _join_threads()
    if code == 0 and report.is_mine():
        code = _send(program, report, reserve)
    _finish(program)
    return code


def prepare():
    """What a fresh CPython process would find: signals, streams, arguments, paths."""
    _signal.signal(_signal.SIGINT, _signal.default_int_handler)
    _signal.signal(_signal.SIGPIPE, _signal.SIG_IGN)
    channels.open_streams()
    sys.argv = ["program.py"]
    guest = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sys.path = [entry for entry in sys.path if entry != guest]
    if os.path.isdir(_SITE):
        sys.path.append(_SITE)
    try:
        here = os.getcwd()
    except OSError:
        return
    if here != "/":
        sys.path.insert(0, here)


def _deepen():
    """Let the program recurse as deep as if no frames of ours were below it."""
    depth, frame = int(sys.version_info < (3, 12)), sys._getframe()  # before 3.12 the call of eval counts too
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    sys.setrecursionlimit(sys.getrecursionlimit() + depth)


def _exit_code(error, report):
    """The code of ``sys.exit(x)`` as CPython has it: None is 0, a number is itself, anything else is shown and 1."""
    given = error.code
    if given is None:
        return 0
    if isinstance(given, int):
        code = int(given) if -(2**63) <= given < 2**63 else -1
        message = f"the program exited with code {code & 0xFF}"
    else:
        code = 1
        message = channels.text_of(given)
        print(message, file=sys.stderr)
    if code & 0xFF:
        report.error("SystemExit", message, *tracebacks.place(error))
    return code & 0xFF


def _fail(error, report):
    """Tell the host and stderr of an uncaught exception."""
    _quiet()
    try:
        tracebacks.tidy(error)
        report.error(tracebacks.class_name(error), channels.text_of(error), *tracebacks.place(error))
        tracebacks.print_uncaught(error)
    except MemoryError:  # even the reserve was too small
        channels.complain(type(error).__name__)
    return 130 if isinstance(error, KeyboardInterrupt) else 1


def _send(program, report, reserve):
    """The program's value, or why it has none that can be sent. The value failing makes the program failed."""
    try:
        sys.setrecursionlimit(max(sys.getrecursionlimit(), 1000))
        report.value(values.dumps(program.value()))
        return 0
    except (values.ValueFormatError, channels.TooLargeError) as error:
        return _refuse(type(error).__name__, f"the value of the program cannot be returned: {error}", report)
    except MemoryError:
        reserve.clear()
        return _refuse("MemoryError", "memory ran out while the value of the program was being written", report)
    except OSError as error:
        return _refuse(
            "OSError", f"the value of the program cannot be returned: its channel is closed ({error})", report
        )
    except BaseException as error:  # a class of the caller's that raises even KeyboardInterrupt from its repr
        return _fail(error, report)


def _refuse(kind, message, report):
    channels.complain(f"{kind}: {message}")
    report.error(kind, message, 0, 0)
    return 1


def _quiet():
    """No tracing, profiling or alarm of the program's own while the guest does its part."""
    sys.settrace(None)
    sys.setprofile(None)
    _signal.alarm(0)


def _join_threads():
    threading = sys.modules.get("threading")
    if threading is not None:
        try:
            threading._shutdown()
        except BaseException as error:
            tracebacks.print_uncaught(error)


def _finish(program):
    import atexit

    try:
        atexit._run_exitfuncs()
    except BaseException as error:  # Python 3.9 raises the last one again
        if not isinstance(error, SystemExit):
            tracebacks.print_uncaught(error)
    threading = sys.modules.get("threading")
    if threading is None or threading.active_count() == 1:
        program.forget()
    channels.flush()
