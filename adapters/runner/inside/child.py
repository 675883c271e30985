"""The caller's program: forked, confined, and never able to reach who forked it.

Runs inside a wall: standard library only, Python 3.9 to 3.15.
"""

import fcntl
import os
import resource
import sys

import kernel
import quota
import steps

_CHANNEL = 4
_FAILURE = 5
_LINE = 6
_FIRST_TO_CLOSE = 7
_ABOVE_ALL = 64
_MOST_DESCRIPTORS = 4096
_WORST_TO_LOSE = b"1000"


class Child:
    """A process that runs the guest.

    Args:
        job: what is to be run; see ``main.py``.
        setup: how things are here; see ``main.py``.
        channel: the descriptor that the guest reads from: the commands of a session, or a frame that is not known yet;
            -1 where the job has the frame.

    Attributes:
        pid: its process id.
        stdout, stderr, report: the reading ends of its pipes.
        listener: where the questions of its filter come from, or -1.

    Raises:
        OSError: it could not be confined or started. Nothing of the caller's has run.
    """

    def __init__(self, job, setup, channel=-1):
        self._job = job
        self._setup = setup
        self._channel = channel
        pipes = [os.pipe() for _ in range(3)]
        failure, tell_failure = os.pipe()
        line = _line() if job["counted"] else None
        self.pid = os.fork()
        if self.pid == 0:
            self._become([writing for _, writing in pipes], tell_failure, line[1].fileno() if line else -1)
        for _, writing in pipes:
            os.close(writing)
        os.close(tell_failure)
        self.stdout, self.stderr, self.report = (reading for reading, _ in pipes)
        self.listener = _received(line) if line else -1
        trouble = os.read(failure, 4096)
        os.close(failure)
        if trouble:
            self.close()
            os.waitpid(self.pid, 0)
            raise OSError(trouble.decode("utf-8", "replace"))

    def close(self):
        """Give the descriptors back."""
        for descriptor in (self.stdout, self.stderr, self.report, self.listener):
            if descriptor >= 0:
                os.close(descriptor)
        self.stdout = self.stderr = self.report = self.listener = -1

    def _become(self, writing, tell_failure, line):
        """In the child: give up everything, then run the caller's program. Never returns."""
        job = self._job
        try:
            self._arrange(writing, tell_failure, line)
            self._confine(line >= 0)
            if not job["in_process"]:
                steps.execute(job["argv"], job["environment"])
        except BaseException as error:
            os.write(_FAILURE, str(error).encode("utf-8", "replace")[:4096] or b"?")
            os._exit(127)
        os.close(_FAILURE)
        steps.call_guest(self._run_guest)

    def _arrange(self, writing, tell_failure, line):
        """Put every descriptor where it is looked for, and close all others. What a guest executes inherits 0 to 3."""
        job = self._job
        source = _holding(job["frame"]) if self._channel < 0 and not job["in_process"] else self._channel
        places = {0: source, 1: writing[0], 2: writing[1], steps.REPORT: writing[2]}
        places.update({_CHANNEL: self._channel, _FAILURE: tell_failure, _LINE: line})
        high = {
            number: fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _ABOVE_ALL)
            for number, descriptor in places.items()
            if descriptor >= 0
        }
        for number, descriptor in high.items():
            os.dup2(descriptor, number, inheritable=number <= steps.REPORT)
        os.closerange(_FIRST_TO_CLOSE, _MOST_DESCRIPTORS)
        for number in range(_FIRST_TO_CLOSE):  # the runner's own may have that number, its way to the host too
            if number not in high:
                _close_quietly(number)  # the guest opens an empty stdin

    def _confine(self, is_counted):
        job, setup = self._job, self._setup
        kernel.hide(hidden=False)
        if setup["contained"]:
            _prefer_to_lose_this()
        if setup["uid"] is not None:
            kernel.empty_bounding_set()
            os.setgroups([])
            os.setresgid(setup["uid"], setup["uid"], setup["uid"])
            os.setresuid(setup["uid"], setup["uid"], setup["uid"])
        calls = kernel.Calls()
        limits = _limits(job["limits"], setup)
        program_filter = None if is_counted else job["filter"]
        steps.add_confinement(calls, limits, program_filter, setup["work"], has_capabilities=False)
        calls.make()
        if is_counted:
            _send(_LINE, quota.install(job["filter"]))

    def _run_guest(self):
        """Run a guest that is Python of this very version."""
        job = self._job
        steps.set_up_interpreter(job["environment"])
        module, function = job["argv"]
        found = steps.imported(module)
        call = getattr(found, function)
        if self._channel < 0:
            return call(job["frame"], steps.REPORT)
        if job["session"]:
            return call(_CHANNEL, steps.REPORT)
        if hasattr(found, "warm"):
            found.warm()
        frame = _all_of(_CHANNEL)
        if not frame:
            os._exit(0)  # nobody came
        os.close(_CHANNEL)
        return call(frame, steps.REPORT)


def _close_quietly(descriptor):
    try:
        os.close(descriptor)
    except OSError:  # there is none
        pass


def _all_of(descriptor):
    pieces = []
    while True:
        piece = os.read(descriptor, 1 << 20)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)


def _holding(content):
    """A descriptor from which ``content`` can be read, and then nothing more."""
    descriptor = os.memfd_create("frame")
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _prefer_to_lose_this():
    """Where memory runs out, the kernel is to end the program and not the runner."""
    try:
        descriptor = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
    except OSError:  # no such thing in this kernel
        return
    os.write(descriptor, _WORST_TO_LOSE)
    os.close(descriptor)


def _limits(limits, setup):
    """The limits; that of processes counts every thread of the user, so those that are there already go on top."""
    there = 0 if setup["contained"] else _threads_of(os.getuid()) - 1  # but for this one
    found = []
    for number, soft, hard in limits:
        more = there if number == resource.RLIMIT_NPROC else 0
        ceiling = resource.getrlimit(number)[1]
        wanted = (soft + more, hard + more)
        found.append((number, *(each if ceiling == resource.RLIM_INFINITY else min(each, ceiling) for each in wanted)))
    return found


def _threads_of(uid):
    count = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.stat("/proc/" + name).st_uid in (uid, 0) and _real_uid(name) == uid:
                    count += len(os.listdir("/proc/" + name + "/task"))
            except OSError:  # it has ended
                pass
    return count


def _real_uid(name):
    """Whose process it is; one that hides its memory looks like root's."""
    with open("/proc/" + name + "/status") as status:
        for line in status:
            if line.startswith("Uid:"):
                return int(line.split()[1])
    return -1


def _line():
    """Two ends of a socket that descriptors can be sent over."""
    import _socket

    return _socket.socketpair()


def _send(line, descriptor):
    import _socket

    end = _socket.socket(fileno=line)
    end.sendmsg([b"Q"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptor.to_bytes(4, sys.byteorder))])
    end.close()
    os.close(descriptor)


def _received(line):
    """The descriptor that the child sent, or -1 where it ended before."""
    import _socket

    here, there = line
    there.close()
    _, extra, _, _ = here.recvmsg(1, _socket.CMSG_SPACE(4))
    here.close()
    return int.from_bytes(extra[0][2][:4], sys.byteorder) if extra else -1
