"""The few system calls that the processes inside need and Python has no function for: mount, prctl, capset, prlimit,
getrusage, clone, setns.

Most are here as ``Call``s: made once, before a fork, with every argument in the form that C wants it in. A process that
makes such a call then writes to next to none of the memory that it shares with the one it was forked from.

``ctypes`` would do, but importing it costs five milliseconds of every run; the C module beneath it costs none. Its
names have not changed since Python 2.5.

Runs inside the wall: standard library only, Python 3.9 to 3.15.
"""

import _ctypes
import functools
import os
import sys

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_PR_CAPBSET_DROP = 24
_PR_SET_SECUREBITS = 28
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_SECCOMP_MODE_FILTER = 2
_CAP_VERSION_3 = 0x20080522
_SECUREBITS = (
    0b1010_1111  # no root, no setuid fixup, no ambient raise, each locked but "keep caps", which is locked off
)
_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_TID_ADDRESS = 40
_CLONE_VM = 0x100
_SIGCHLD = 17
_CLONE_PARENT = 0x8000
_CLONE_CHILD_CLEARTID = 0x200000
_CLONE_CHILD_SETTID = 0x1000000
_CLONE_NEWNS = 0x20000
_CLONE_NEWIPC = 0x8000000
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWPID = 0x20000000
_HOLDING = _CLONE_VM | _CLONE_NEWUSER | _CLONE_NEWPID | _CLONE_NEWNS | _CLONE_NEWIPC | _SIGCHLD
_JOINED = _CLONE_NEWUSER | _CLONE_NEWNS | _CLONE_NEWIPC
_WALL = 0x40000000  # wait for children whatever signal tells of their end
_ANY_FILE = 0x7FFFFFFF
_MANY_FILES = 65536
_SIGKILL = 9
_IS_ARM = os.uname().machine == "aarch64"
_SYS_CLONE = 220 if _IS_ARM else 56
_SYS_PIDFD_OPEN = 434
_SYS_CLOSE_RANGE = 436


class _Int(_ctypes._SimpleCData):
    _type_ = "i"


class _Long(_ctypes._SimpleCData):
    _type_ = "l"


class _Bytes(_ctypes._SimpleCData):
    _type_ = "z"


class _Byte(_ctypes._SimpleCData):
    _type_ = "c"


class _Usage(_ctypes.Array):
    _type_ = _Byte
    _length_ = 256  # struct rusage has 144


# Nobody else waits for the interpreter's lock, so no call gives it back meanwhile.
_FLAGS = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_USE_ERRNO | _ctypes.FUNCFLAG_PYTHONAPI


class _Function(_ctypes.CFuncPtr):
    _flags_ = _FLAGS
    _restype_ = _Int


class _LongFunction(_ctypes.CFuncPtr):
    _flags_ = _FLAGS
    _restype_ = _Long


_libc = _ctypes.dlopen(None, 0)
_pause = _Long(_ctypes.dlsym(_libc, "pause"))
_clone = _Function(_ctypes.dlsym(_libc, "clone"))
_setns = _Function(_ctypes.dlsym(_libc, "setns"))  # an int that is given to it as it is becomes one of C's
_shutdown = _Function(_ctypes.dlsym(_libc, "shutdown"))
_syscall = _LongFunction(_ctypes.dlsym(_libc, "syscall"))


def _prepared(name, *arguments, kind=_Function):
    """A call of ``name`` of the C library with ints, bytes and None, to be made later: ``_checked`` makes it."""
    converted = [_Long(item) if type(item) is int else item for item in arguments]
    return functools.partial(kind(_ctypes.dlsym(_libc, name)), *converted)


def _checked(call, name):
    """Make a call that was prepared.

    Raises:
        OSError: it returned -1.
    """
    result = call()
    if result == -1:
        raise _failure(name)
    return result


def _failure(name):
    """Why the last call failed."""
    code = _ctypes.get_errno()
    return OSError(code, f"{name}: {os.strerror(code)}")


def _call(name, *arguments):
    """Call ``name`` of the C library, which returns an int.

    Raises:
        OSError: it returned -1.
    """
    return _checked(_prepared(name, *arguments), name)


def _system_call(*arguments):
    """Make a system call for which the C library has no function.

    Raises:
        OSError: it returned -1.
    """
    return _checked(_prepared("syscall", *arguments, kind=_LongFunction), "syscall")


class Calls:
    """Calls to be made in a row."""

    __slots__ = ("_calls",)

    def __init__(self):
        self._calls = []

    def add(self, name, *arguments):
        """One more of the C library's."""
        self._calls.append((name, _prepared(name, *arguments)))

    def add_python(self, function, *arguments):
        """One more of Python's own."""
        self._calls.append((function.__name__, functools.partial(function, *arguments)))

    def extend(self, others):
        """Those of another row, after these."""
        self._calls += others._calls

    def join(self, handle):
        """Move this process into the user, mount and ipc namespaces of the process behind ``handle``."""
        self.add("setns", handle, _JOINED)

    def close_from(self, first):
        """Close every descriptor from this number on."""
        if _has_close_range:
            call = _prepared("syscall", _SYS_CLOSE_RANGE, first, _ANY_FILE, 0, kind=_LongFunction)
            self._calls.append(("close_range", call))
        else:
            self.add_python(os.closerange, first, _MANY_FILES)

    def mount(self, source, target, kind, flags, options=None):
        """Mount, bind or remount; every name as bytes."""
        self.add("mount", source, target, kind, flags, options)

    def limit(self, resource, soft, hard):
        """Set one resource limit of this process."""
        self.add("prlimit", 0, resource, soft.to_bytes(8, "little") + hard.to_bytes(8, "little"), None)

    def hide_memory(self):
        """Keep every process without privileges from reading or tracing this one."""
        self.add("prctl", _PR_SET_DUMPABLE, 0, 0, 0, 0)

    def drop_capabilities(self, *, has_any=True):
        """Give up every capability, for good. Without any, there is nothing that could be locked.

        The bounding set stays as it is: it says what an executed file may give, and with "no new privileges" no file
        gives anything. Emptying it takes forty system calls.
        """
        self.add("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        self.add("prctl", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
        if has_any:
            self.add("prctl", _PR_SET_SECUREBITS, _SECUREBITS, 0, 0, 0)
        self.add("capset", _CAP_VERSION_3.to_bytes(4, "little") + bytes(4), bytes(24))

    def filter_system_calls(self, program):
        """Install a seccomp filter: classic BPF as bytes, eight for each instruction."""
        pointer = bytes(memoryview(_Bytes(program)))
        header = (len(program) // 8).to_bytes(2, "little") + bytes(6) + pointer
        self.add("prctl", _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0)
        self.add_python(len, program)  # holds what the header points to

    def make(self):
        """Make them all.

        Raises:
            OSError: one failed, and those after it were not made.
        """
        for name, call in self._calls:
            if call() == -1:
                raise _failure(name)


def filter_with_listener(system_call, mode, flags, program):
    """Install a seccomp filter, classic BPF as bytes, whose questions come from the descriptor that this returns.

    Raises:
        OSError: the kernel will not.
    """
    pointer = bytes(memoryview(_Bytes(program)))
    header = (len(program) // 8).to_bytes(2, "little") + bytes(6) + pointer
    return _checked(_prepared("syscall", system_call, mode, flags, header, kind=_LongFunction), "seccomp")


def adopt_orphans():
    """Become the parent of what descendants leave behind."""
    _call("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def hide(*, hidden=True):
    """Keep every process without privileges from reading or tracing this one, or let them again."""
    _call("prctl", _PR_SET_DUMPABLE, int(not hidden), 0, 0, 0)


def die_with_parent():
    """Have the kernel kill this process when its parent is gone."""
    _call("prctl", _PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)


def usage_of_the_buried():
    """CPU time in microseconds of all children that were waited for, and the peak in KiB of the largest."""
    return _usage(-1)


def _usage(who):
    buffer = _Usage()
    _call("getrusage", who, buffer)
    return _in_us_and_kib(buffer)


def _in_us_and_kib(buffer):
    words = [int.from_bytes(bytes(buffer)[start : start + 8], sys.byteorder) for start in range(0, 40, 8)]
    return (words[0] + words[2]) * 1000000 + words[1] + words[3], words[4]


def empty_bounding_set():
    """Have no executed file give a capability back."""
    for capability in range(64):
        try:
            _call("prctl", _PR_CAPBSET_DROP, capability, 0, 0, 0)
        except OSError:  # EINVAL: past the last one that this kernel knows
            break


class Stacks:
    """Room for the stacks of processes that share this one's memory. Each needs a few hundred bytes.

    Args:
        count: how many there can be at one time.
    """

    _BYTES = 4096

    def __init__(self, count):
        class Room(_ctypes.Array):
            _type_ = _Byte
            _length_ = count * Stacks._BYTES + 16

        self._room = Room()
        start = _ctypes.addressof(self._room)
        self._start = start - start % 16 + 16

    def top(self, place):
        """Where the stack at ``place`` begins: stacks grow downwards."""
        return self._start + (place + 1) * self._BYTES - 256


def clone_holder(stack):
    """Make the first process of a new set of user, process, mount and ipc namespaces. Returns its process id.

    It shares this process's memory and does nothing but sleep in ``pause`` until it is killed, so it costs neither a
    copy of the page tables nor a page. It ignores the same signals as this process.
    """
    number = _clone(_pause, _Long(stack), _HOLDING, 0)
    if number == -1:
        raise _failure("clone")
    return number


def fork():
    """Fork without running anybody's hooks, and without a signal when the child ends. 0 in the child."""
    return _checked(_fork, "clone")


def fork_sibling():
    """The same, but the child becomes one of this process's parent, which waits for it."""
    number = _fork_sibling()
    if number == -1:
        raise _failure("clone")
    return number


def _forking(flags):
    """The C library learns its new thread id where the kernel tells its address."""
    if not _tid_address:
        return _prepared("syscall", _SYS_CLONE, flags, 0, 0, 0, 0, kind=_LongFunction)
    flags |= _CLONE_CHILD_SETTID | _CLONE_CHILD_CLEARTID
    places = (0, 0, _tid_address) if _IS_ARM else (0, _tid_address, 0)
    return _prepared("syscall", _SYS_CLONE, flags, 0, *places, kind=_LongFunction)


def _pidfd_open(pid):
    return _system_call(_SYS_PIDFD_OPEN, pid, 0)


pidfd_open = getattr(os, "pidfd_open", _pidfd_open)
"""A handle for a process. Python has this itself where it was built on a system that did."""


def children_into(handle):
    """Have every child forked from now on be in the process namespace of the process behind ``handle``."""
    if _setns(handle, _CLONE_NEWPID) == -1:
        raise _failure("setns")


def wait(pid):
    """The wait status of a child that has ended, its CPU time in microseconds and its peak of memory in KiB.

    Both are its own and those of the children that it waited for.
    """
    _, status, usage = os.wait4(pid, _WALL)
    return status, round((usage.ru_utime + usage.ru_stime) * 1e6), usage.ru_maxrss


def shut_writing(descriptor):
    """Nothing more can be sent on this socket."""
    _shutdown(descriptor, 1)


def close_from(first):
    """Close every descriptor from this number on."""
    calls = Calls()
    calls.close_from(first)
    calls.make()


def _find_tid_address():
    place = _Usage()
    try:
        _call("prctl", _PR_GET_TID_ADDRESS, _ctypes.addressof(place), 0, 0, 0)
    except OSError:
        return 0
    return int.from_bytes(bytes(place)[:8], sys.byteorder)


_has_close_range = _syscall(_SYS_CLOSE_RANGE, _ANY_FILE, _ANY_FILE, 0) == 0  # since Linux 5.9
_tid_address = _find_tid_address()
_fork, _fork_sibling = _forking(0), _forking(_CLONE_PARENT)
