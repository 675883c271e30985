"""How a program, or one command of a session, ends: its exit code, and what the host and stderr are told of it."""

import _signal
import sys

from . import channels, tracebacks, values

__all__ = ["fail", "forget", "perform", "quiet", "refill", "refuse", "reserve", "send", "show"]

_RESERVE_BYTES = 4 << 20  # given back when memory runs out, so that the error can still be told
_state = {"deepened": False}


def reserve():
    """Memory for when there is none left: a list to clear."""
    return [bytes(_RESERVE_BYTES)]  # not bytearray, which would touch every page of it


def refill(spare):
    """Put memory aside again, unless the next command may need all there is to make room."""
    try:
        if not spare:
            bytes(2 * _RESERVE_BYTES)
            spare += reserve()
    except MemoryError:
        pass


def perform(program, report, spare):
    """Run a program that is loaded. Its exit code; what it raised has been told."""
    failure = None
    channels.use(report)
    _deepen()
    try:
        program.run()
    except BaseException as error:
        spare.clear()
        failure = error
    if failure is None:
        return 0
    # It is no longer being handled, so that a hook of the program's sees what it would in CPython.
    return _exit_code(failure, report) if isinstance(failure, SystemExit) else fail(failure, report)


def forget():
    """Be as before the first program."""
    _state["deepened"] = False
    channels.use(None)


def fail(error, report):
    """Tell the host and stderr of an uncaught exception."""
    quiet()
    try:
        tracebacks.tidy(error)
        report.error(tracebacks.class_name(error), channels.text_of(error), *tracebacks.place(error))
        tracebacks.print_uncaught(error)
    except MemoryError:  # even the reserve was too small
        channels.complain(type(error).__name__)
    except Exception:  # the program closed its stderr, or put something in its place that cannot be written to
        channels.complain(f"{tracebacks.class_name(error)}: {channels.text_of(error)}")
    return 130 if isinstance(error, KeyboardInterrupt) else 1


def send(program, report, spare):
    """The program's value, or why it has none that can be sent. The value failing makes the program failed."""
    try:
        sys.setrecursionlimit(max(sys.getrecursionlimit(), 1000))
        report.value(values.dumps(program.value()))
        return 0
    except (values.ValueFormatError, channels.TooLargeError) as error:
        return refuse(type(error).__name__, f"the value of the program cannot be returned: {error}", report)
    except MemoryError:
        spare.clear()
        return refuse("MemoryError", "memory ran out while the value of the program was being written", report)
    except OSError as error:
        return refuse(
            "OSError", f"the value of the program cannot be returned: its channel is closed ({error})", report
        )
    except BaseException as error:  # a class of the caller's that raises even KeyboardInterrupt from its repr
        return fail(error, report)


def show(program, report):
    """Show what the program left to be shown: figures that are open, and its last expression where that is something
    to look at. Nothing of this makes it fail.
    """
    pyplot = sys.modules.get("matplotlib._pylab_helpers")
    figures = pyplot is not None and bool(pyplot.Gcf.figs)
    if not report.is_mine() or (not figures and type(program.last).__module__ == "builtins"):
        return
    try:
        from . import displays

        displays.show_last(program.last)
        if figures:
            from .figures import show_open

            show_open()
    except BaseException as error:  # an interrupt, memory, a channel that is closed
        channels.complain(f"what is left cannot be shown: {type(error).__name__}: {channels.text_of(error)}")


def refuse(kind, message, report):
    """Tell the host and stderr of a failure that is in no line of the program."""
    channels.complain(f"{kind}: {message}")
    report.error(kind, message, 0, 0)
    return 1


def quiet():
    """No tracing, profiling or alarm of the program's own while the guest does its part."""
    sys.settrace(None)
    sys.setprofile(None)
    _signal.alarm(0)


def _deepen():
    """Let the program recurse as deep as if no frames of ours were below it."""
    if _state["deepened"]:
        return
    _state["deepened"] = True
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
