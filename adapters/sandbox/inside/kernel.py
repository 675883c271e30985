"""The few system calls that the launcher needs and Python has no function for: mount, prctl, capset, prlimit,
getrusage.

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
_SIGKILL = 9


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


def own_cpu_time():
    """CPU time of this process, in microseconds."""
    return _usage(0)[0]


def _usage(who):
    buffer = _Usage()
    _call("getrusage", who, buffer)
    words = [int.from_bytes(bytes(buffer)[start : start + 8], sys.byteorder) for start in range(0, 40, 8)]
    return (words[0] + words[2]) * 1000000 + words[1] + words[3], words[4]


def drop_privileges():
    """Give up every capability in every set, for good."""
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _call("prctl", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    for capability in range(64):
        try:
            _call("prctl", _PR_CAPBSET_DROP, capability, 0, 0, 0)
        except OSError:  # EINVAL: past the last one that this kernel knows
            break
    _call("prctl", _PR_SET_SECUREBITS, _SECUREBITS, 0, 0, 0)
    _call("capset", _CAP_VERSION_3.to_bytes(4, "little") + bytes(4), bytes(24))


def filter_system_calls(program):
    """Install a seccomp filter: classic BPF as bytes, eight for each instruction."""
    pointer = bytes(memoryview(_Bytes(program)))
    header = (len(program) // 8).to_bytes(2, "little") + bytes(6) + pointer
    _call("prctl", _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0)
