"""The few system calls that the launcher and the forker need and Python has no function for: mount, prctl, capset,
prlimit, getrusage, clone, setns.

``ctypes`` would do, but importing it costs five milliseconds of every run; the C module beneath it costs none. Its
names have not changed since Python 2.5.

Runs inside the wall: standard library only, Python 3.9 to 3.15.
"""

import _ctypes
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
_PR_GET_TID_ADDRESS = 40
_CLONE_VM = 0x100
_CLONE_CHILD_CLEARTID = 0x200000
_CLONE_CHILD_SETTID = 0x1000000
_CLONE_NEWNS = 0x20000
_CLONE_NEWIPC = 0x8000000
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWPID = 0x20000000
_WALL = 0x40000000  # wait for children whatever signal tells of their end
_ANY_FILE = 0xFFFFFFFF
_SIGKILL = 9
_SIGCHLD = 17
_IS_ARM = os.uname().machine == "aarch64"
_SYS_CLONE = 220 if _IS_ARM else 56
_SYS_PIDFD_OPEN = 434
_SYS_CLOSE_RANGE = 436


class _Long(_ctypes._SimpleCData):
    _type_ = "l"


class _Bytes(_ctypes._SimpleCData):
    _type_ = "z"


class _Byte(_ctypes._SimpleCData):
    _type_ = "c"


class _Usage(_ctypes.Array):
    _type_ = _Byte
    _length_ = 256  # struct rusage has 144


class _Function(_ctypes.CFuncPtr):
    _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_USE_ERRNO
    _restype_ = _Long


_libc = _ctypes.dlopen(None, 0)
_functions = {}


def _call(name, *arguments):
    """Call ``name`` of the C library with ints, bytes and None.

    Raises:
        OSError: it returned -1.
    """
    function = _functions.get(name)
    if function is None:
        function = _functions[name] = _Function(_ctypes.dlsym(_libc, name))
    result = function(*[_Long(item) if type(item) is int else item for item in arguments])
    if result & 0xFFFFFFFF == 0xFFFFFFFF:
        code = _ctypes.get_errno()
        raise OSError(code, name + ": " + os.strerror(code))
    return result


def mount(source, target, kind, flags, options=None):
    """Mount, bind or remount; every name as bytes."""
    _call("mount", source, target, kind, flags, options)


def die_with_parent():
    """Have the kernel kill this process when its parent is gone."""
    _call("prctl", _PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)


def hide_memory():
    """Keep every process without privileges from reading or tracing this one."""
    _call("prctl", _PR_SET_DUMPABLE, 0, 0, 0, 0)


def limit(resource, soft, hard):
    """Set one resource limit of this process."""
    pair = soft.to_bytes(8, "little") + hard.to_bytes(8, "little")
    _call("prlimit", 0, resource, pair, None)


def usage_of_the_buried():
    """CPU time in microseconds of all children that were waited for, and the peak in KiB of the largest."""
    return _usage(-1)


def own_cpu_us():
    """CPU time of this process, in microseconds."""
    return _usage(0)[0]


def _usage(who):
    buffer = _Usage()
    _call("getrusage", who, buffer)
    return _in_us_and_kib(buffer)


def _in_us_and_kib(buffer):
    words = [int.from_bytes(bytes(buffer)[start : start + 8], sys.byteorder) for start in range(0, 40, 8)]
    return (words[0] + words[2]) * 1000000 + words[1] + words[3], words[4]


def drop_privileges():
    """Give up every capability in every set, for good."""
    for capability in range(64):
        try:
            _call("prctl", _PR_CAPBSET_DROP, capability, 0, 0, 0)
        except OSError:  # EINVAL: past the last one that this kernel knows
            break
    drop_capabilities()


def drop_capabilities():
    """Give up every capability, for good.

    The bounding set stays as it is: it says what an executed file may give, and with "no new privileges" no file gives
    anything. Emptying it takes forty system calls.
    """
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _call("prctl", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    _call("prctl", _PR_SET_SECUREBITS, _SECUREBITS, 0, 0, 0)
    _call("capset", _CAP_VERSION_3.to_bytes(4, "little") + bytes(4), bytes(24))


def filter_system_calls(program):
    """Install a seccomp filter: classic BPF as bytes, eight for each instruction."""
    pointer = bytes(memoryview(_Bytes(program)))
    header = (len(program) // 8).to_bytes(2, "little") + bytes(6) + pointer
    _call("prctl", _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0)


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
    pause = _ctypes.dlsym(_libc, "pause")
    flags = _CLONE_VM | _CLONE_NEWUSER | _CLONE_NEWPID | _CLONE_NEWNS | _CLONE_NEWIPC | _SIGCHLD
    return _call("clone", pause, stack, flags, 0)


def fork():
    """Fork without running anybody's hooks, and without a signal when the child ends. 0 in the child.

    The C library learns its new thread id where the kernel tells its address.
    """
    if _tid_address:
        flags = _CLONE_CHILD_SETTID | _CLONE_CHILD_CLEARTID
        places = (0, 0, _tid_address) if _IS_ARM else (0, _tid_address, 0)
        return _call("syscall", _SYS_CLONE, flags, 0, *places)
    return _call("syscall", _SYS_CLONE, 0, 0, 0, 0, 0)


def pidfd_open(pid):
    """A handle for a process; ``os.pidfd_open`` where it exists."""
    return _call("syscall", _SYS_PIDFD_OPEN, pid, 0)


def children_into(handle):
    """Have every child forked from now on be in the process namespace of the process behind ``handle``."""
    _call("setns", handle, _CLONE_NEWPID)


def join(handle):
    """Move this process into the user, mount and ipc namespaces of the process behind ``handle``."""
    _call("setns", handle, _CLONE_NEWUSER | _CLONE_NEWNS | _CLONE_NEWIPC)


def wait(pid):
    """The wait status of a child that has ended, its CPU time in microseconds and its peak of memory in KiB.

    Both are its own and those of the children that it waited for.
    """
    status, usage = _Usage(), _Usage()
    _call("wait4", pid, status, _WALL, usage)
    return int.from_bytes(bytes(status)[:4], sys.byteorder, signed=True), *_in_us_and_kib(usage)


def shut_writing(descriptor):
    """Nothing more can be sent on this socket."""
    _call("shutdown", descriptor, 1)


def close_from(first):
    """Close every descriptor from this number on."""
    try:
        _call("syscall", _SYS_CLOSE_RANGE, first, _ANY_FILE, 0)
    except OSError:  # a kernel before 5.9
        os.closerange(first, 65536)


def _find_tid_address():
    place = _Usage()
    try:
        _call("prctl", _PR_GET_TID_ADDRESS, _ctypes.addressof(place), 0, 0, 0)
    except OSError:
        return 0
    return int.from_bytes(bytes(place)[:8], sys.byteorder)


_tid_address = _find_tid_address()
