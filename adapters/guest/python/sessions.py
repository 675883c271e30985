"""A session: one interpreter that runs command after command and keeps what they leave behind.

``serve`` is the part that the guests in Python share: it takes the commands from their channel and says when each is
done. ``Session`` is a Python program that grows by commands.
"""

import _signal
import os
import sys

from . import channels, outcome, protocol, tracebacks, values
from .main import GUEST_FAILED, check
from .program import Program, compile_program

__all__ = ["Session", "serve"]

_NOTHING = object()
_SKIP_BYTES = 1 << 16


def serve(read_fd, report_fd, obey):
    """Take commands until their channel ends.

    Args:
        read_fd: where request frames come from.
        report_fd: where reports go.
        obey: called with the request and the Report; runs the command and gives its exit code.

    Returns:
        The exit code of the process: of the session, or of a child that a command forked and let run on.

    Raises:
        OSError: a command closed one of the channels; nobody can be told any more, so the session is over.
    """
    report = channels.Report(report_fd, 0)
    commands = _Commands(read_fd)
    interrupts = _Interrupts()
    while True:
        body = commands.next()
        if body is None:
            return 0
        interrupts.let_in()
        try:
            code = _obey(obey, body, report)
        except BaseException as error:  # what failed is the guest's own part, or its telling was interrupted
            code = 130 if isinstance(error, KeyboardInterrupt) else GUEST_FAILED
            outcome.refuse(
                type(error).__name__, f"the command was not seen to its end: {channels.text_of(error)}", report
            )
        interrupts.keep_out()
        channels.flush()
        if not report.is_mine():
            return code
        report.done(code)


def _obey(obey, body, report):
    if body is _TOO_LARGE:
        return outcome.refuse("MemoryError", "memory ran out while the command was being read", report)
    request = protocol.parse(body)
    check(request)
    report.max_value_bytes = request["max_value_bytes"]
    return obey(request, report)


class Session(Program):
    """A program that grows by commands: names, functions, classes and imports stay."""

    def __init__(self):
        super().__init__()
        self._flags = 0  # of `from __future__`
        self._before = _NOTHING  # what `result` was before the command
        self._loop = None
        self._context = {}
        self._spare = outcome.reserve()

    def obey(self, request, report):
        """Run one command and send its value. Its exit code."""
        spare = self._spare
        outcome.refill(spare)
        file = tracebacks.begin(request["code"], request.get("environment"))
        try:
            self.load(request["code"], values.decode(request["inputs"]), request["allowed_imports"], file)
        except MemoryError:
            spare.clear()
            return outcome.refuse("MemoryError", "memory ran out while the inputs were being read", report)
        code = outcome.perform(self, report, spare)
        outcome.quiet()
        outcome.show(self, report)
        if code == 0 and report.is_mine():
            code = outcome.send(self, report, spare)
        self._last, self._before = None, _NOTHING
        return code

    def load(self, code, inputs, allowed_imports, file=tracebacks.FILE):
        super().load(code, inputs, allowed_imports, file)
        self._last = None
        self._before = self._names.get("result", _NOTHING)
        self._source.assigned = False

    def value(self):
        """The variable ``result`` if this command assigned it, else the value of the last expression."""
        now = self._names.get("result", _NOTHING)
        unchanged = now is self._before and not self._source.assigned
        return self._last if now is _NOTHING or unchanged else now

    def _compile(self):
        edit = None
        if self._before is not _NOTHING and "result" in self._code:
            from .assignments import note

            edit = note
        codes = compile_program(self._code, self._file, edit, self._flags)
        self._flags |= codes[0].co_flags & _future_flags()
        return codes

    def _in_loop(self, coroutine):
        """One event loop for all commands, so that tasks can outlive theirs; they go on while a later one awaits."""
        import asyncio

        if self._loop is None or self._loop.is_closed():
            self._loop = _new_loop(asyncio)
        asyncio.set_event_loop(self._loop)  # asyncio.run() of an earlier command has left none
        task = self._loop.create_task(coroutine)
        try:
            return self._loop.run_until_complete(task)
        except BaseException:
            self._abandon(task)
            raise
        finally:
            for variable, value in self._context.items():
                variable.set(value)  # a task has a copy; what a command sets is to stay

    async def _await(self, codes):
        import contextvars

        try:
            return await super()._await(codes)
        finally:
            self._context = contextvars.copy_context()

    def _abandon(self, task):
        """End what was interrupted, so that it does not go on beside the next command."""
        if not task.done():
            task.cancel()
            try:  # noqa: SIM105 - contextlib would be one import more
                self._loop.run_until_complete(task)
            except BaseException:
                pass
        if task.done() and not task.cancelled():
            task.exception()  # seen, so that asyncio does not complain of it


class _Commands:
    """The channel that commands come on."""

    def __init__(self, fd):
        os.set_inheritable(fd, 0)
        self._fd = fd
        self._identity = channels.identity(fd)

    def next(self):
        """The JSON of the next frame; None at the end; _TOO_LARGE in the place of one that memory has no room for.

        Raises:
            OSError: a command closed the channel.
            FrameError: a frame is cut short.
        """
        if channels.identity(self._fd) != self._identity:
            raise OSError("a command has put another file in the place of its channel")
        head = self._read(bytearray(4))
        if not head:
            return None
        if len(head) < 4:
            raise protocol.FrameError("a frame is cut short")
        length = int.from_bytes(head, "big")
        try:
            buffer = bytearray(length)
        except MemoryError:
            self._skip(length)
            return _TOO_LARGE
        return self._whole(buffer)

    def _skip(self, length):
        buffer = memoryview(bytearray(min(length, _SKIP_BYTES)))
        while length:
            length -= len(self._whole(buffer[:length]))

    def _whole(self, buffer):
        if len(self._read(buffer)) < len(buffer):
            raise protocol.FrameError("a frame is cut short")
        return buffer

    def _read(self, buffer):
        """What fits into the buffer, or less where the channel ends."""
        count = 0
        with memoryview(buffer) as view:
            while count < len(view):
                read = os.readv(self._fd, [view[count:]])
                if read == 0:
                    break
                count += read
            return buffer[:count] if count < len(view) else buffer


_TOO_LARGE = object()


class _Interrupts:
    """SIGINT is for commands; between them it is held off, and the handler that a command set stays."""

    def __init__(self):
        self._handler = None
        self.keep_out()

    def let_in(self):
        _signal.signal(_signal.SIGINT, self._handler)

    def keep_out(self):
        while True:
            try:
                handler = _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
                break
            except KeyboardInterrupt:  # too late: the command is over
                pass
        self._handler = _signal.default_int_handler if handler is None else handler


def _new_loop(asyncio):
    if sys.version_info < (3, 10):  # there, what earlier commands made outside of a loop belongs to the one to come
        try:
            return asyncio.get_event_loop()
        except RuntimeError:  # asyncio.run() has left none
            pass
    return asyncio.new_event_loop()


def _future_flags():
    import __future__

    return sum(getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)
