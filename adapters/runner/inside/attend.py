"""Attend a program from its start to its end: pass on what it says, and end it when it goes too far.

Runs inside a wall: standard library only, Python 3.9 to 3.15.
"""

import os
import select
import time

import kernel
import quota
import tree

CHUNK = 1 << 16
FREE_REPORT_BYTES = 16384  # frames' own heads, and the error that says why there is no value
_FIRST_PAUSES_S = (0.003, 0.005, 0.008, 0.012)
_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.25
_REST = 3
"""A look that takes long, as where there are many processes, is followed by a pause of so many times its time."""
_CORES = os.cpu_count() or 1
_EVENTS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")
_GRACE_S = 0.05
_SIGINT = 2


class HostIsGone(Exception):
    """Nobody waits for an answer any more."""


class Outlet:
    """One channel of the program's: what comes is counted and passed on."""

    def __init__(self, descriptor, kind, attendance):
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self.ended = False
        self._kind = kind
        self._attendance = attendance

    def read(self):
        """Read once. False where nothing is there now, or nothing more will come."""
        try:
            data = os.read(self.descriptor, CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self.ended = True
            return False
        data = self._attendance.let_through(self._kind, data)
        if data:
            self._attendance.tell(self._kind, data)
        return True


class Attendance:
    """The attendance on one child, for one program or for the commands of a session.

    Args:
        child: see ``child.py``.
        bounds: what it may use; see ``main.py``.
        setup: how things are here; see ``main.py``.
        tell: takes what goes to the host, a letter and bytes.
        flush: sends what was taken.
        host: a descriptor on which something comes when the program is to be ended, or -1.
        listen_to_host: is called then. It raises ``HostIsGone``, or returns why the program is to end.
    """

    def __init__(self, child, bounds, setup, tell, flush, host, listen_to_host):
        self._child = child
        self._bounds = bounds
        self._setup = setup
        self.tell = tell
        self._flush = flush
        self._host = host
        self._listen_to_host = listen_to_host
        self._unsent = (-1, b"")
        self._closes = False
        self._handle = kernel.pidfd_open(child.pid)
        self._outlets = {
            outlet.descriptor: outlet
            for outlet in (
                Outlet(child.stdout, b"o", self),
                Outlet(child.stderr, b"e", self),
                Outlet(child.report, b"r", self),
            )
        }
        self._quota = quota.Quota(child.listener, setup["folders"], bounds["files"]) if child.listener >= 0 else None
        self._poll = select.poll()
        for descriptor in (*self._outlets, self._handle):
            self._poll.register(descriptor, select.POLLIN)
        if self._quota is not None:
            self._poll.register(child.listener, select.POLLIN)
        if host >= 0:
            self._poll.register(host, select.POLLIN)
        self.status = None
        self.peak_bytes = 0
        self._killed_before = _killed_by_kernel()
        self.begin(bounds["output_bytes"], bounds["cpu_us"], 0)

    def begin(self, output_bytes, cpu_us, cpu_before_us):
        """A program, or the next command, is about to run."""
        self.cause = None
        self._left = output_bytes
        self._free = FREE_REPORT_BYTES
        self._cpu_us = cpu_us
        self._cpu_before_us = cpu_before_us

    def give(self, descriptor, content, *, is_all=False):
        """Write this to the program while it is attended, and close the channel where it is all."""
        os.set_blocking(descriptor, False)
        self._closes = is_all
        self._unsent = (descriptor, memoryview(content))
        self._poll.register(descriptor, select.POLLOUT)
        self._send()

    def let_through(self, kind, data):
        """As much of ``data`` as may go out."""
        free = 0
        if kind == b"r":
            free = min(len(data), self._free)
            self._free -= free
        counted = min(len(data) - free, self._left)
        self._left -= counted
        if free + counted < len(data) and self.cause is None:
            self.cause = "output"
        return data[: free + counted]

    def until_over(self, deadline_s, is_done=None):
        """Go on until the program has ended, is to be ended, or says that its command is done.

        Raises:
            HostIsGone: the host has.
        """
        until = time.monotonic() + deadline_s
        pauses = iter(_FIRST_PAUSES_S)
        look_at = time.monotonic() + (_PAUSE_S if self._setup["contained"] else next(pauses))
        while self.status is None and self.cause is None and not (is_done and is_done()):
            now = time.monotonic()
            if now >= until:
                self.cause = "deadline"
            elif now >= look_at:
                self.cause = self._excess()
                looked_at, now = now, time.monotonic()
                look_at = now + max(self._pause(pauses), _REST * (now - looked_at))
            else:
                self._listen(min(until, look_at) - now)

    def spent_us(self):
        """CPU time of everything below this process so far, and of what it has buried."""
        memory, cpu_us, _ = (0, 0, 0) if self._handle < 0 else tree.use(tree.descendants())
        self.peak_bytes = max(self.peak_bytes, memory)
        return cpu_us + kernel.usage_of_the_buried()[0]

    def used_us(self):
        """The same since ``begin``."""
        return max(0, self.spent_us() - self._cpu_before_us)

    def ran_out_of_memory(self):
        """Whether the kernel ended something for want of memory."""
        return self._setup["contained"] and _killed_by_kernel() > self._killed_before

    def interrupt(self, is_done):
        """Ask the program to give way, as Ctrl-C does. Returns whether it did."""
        kept, self.cause = self.cause, None
        os.kill(self._child.pid, _SIGINT)
        self.until_over(_GRACE_S, is_done)
        self.cause = kept
        return self.status is None and is_done()

    def end_alone(self):
        """Kill a program that has said all, if it is the only process that is left. Returns whether it was."""
        if self.status is not None or self.cause is not None or tree.descendants() != [self._child.pid]:
            return False
        self.drain()
        os.kill(self._child.pid, 9)
        return True

    def drain(self):
        """Pass on what is there now."""
        for outlet in self._outlets.values():
            while outlet.read():
                pass

    def finish(self):
        """End all that is left, and pass on what is still there. Nothing of the program's runs afterwards."""
        self.status = tree.bury(self._child.pid) if self.status is None else self.status
        while self.status is None:
            os.kill(self._child.pid, 9)
            self.status = os.waitpid(self._child.pid, 0)[1]
        tree.end_all()
        self.drain()
        os.close(self._handle)
        self._handle = -1
        self._child.close()

    def _listen(self, most_s):
        for descriptor, _ in self._poll.poll(0) or self._wait(most_s):
            outlet = self._outlets.get(descriptor)
            if outlet is not None:
                outlet.read()
                if outlet.ended:
                    self._poll.unregister(descriptor)
            elif descriptor == self._handle:
                self.status = tree.bury(self._child.pid)
            elif descriptor == self._host:
                self.cause = self.cause or self._listen_to_host()
            elif descriptor == self._unsent[0]:
                self._send()
            elif self._quota is not None and not self._quota.answer():
                self._poll.unregister(descriptor)

    def _wait(self, most_s):
        self._flush()
        return self._poll.poll(max(1, int(most_s * 1000)))

    def _send(self):
        descriptor, content = self._unsent
        try:
            content = content[os.write(descriptor, content) :]
        except BlockingIOError:
            return
        except OSError:  # it has ended, and that is told another way
            content = b""
        self._unsent = (descriptor, content) if content else (-1, b"")
        if not content:
            self._poll.unregister(descriptor)
            if self._closes:
                os.close(descriptor)

    def _pause(self, pauses):
        if not self._setup["contained"]:
            return next(pauses, _PAUSE_S)
        left_s = max(0, self._cpu_us - self.used_us()) / 1e6 / _CORES
        return max(_PAUSE_S, min(left_s, _LONGEST_PAUSE_S))

    def _excess(self):
        """Which bound is passed, or None."""
        bounds = self._bounds
        pids = tree.descendants()
        memory, cpu_us, threads = tree.use(pids)
        self.peak_bytes = max(self.peak_bytes, memory)
        if cpu_us + kernel.usage_of_the_buried()[0] - self._cpu_before_us >= self._cpu_us:
            return "cpu"
        if self._setup["contained"]:
            return "memory" if self.ran_out_of_memory() else None
        if memory > bounds["memory_bytes"]:
            return "memory"
        if threads > bounds["threads"]:
            return "processes"
        most = bounds["file_bytes"]
        return "files" if most is not None and quota.size(self._setup["folders"], pids, most) > most else None


def _killed_by_kernel():
    """How many processes of this container the kernel has ended for want of memory."""
    for path in _EVENTS:
        try:
            with open(path) as events:
                for line in events:
                    if line.startswith("oom_kill "):
                        return int(line.split()[1])
        except (OSError, ValueError):
            pass
    return 0
