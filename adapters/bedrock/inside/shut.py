"""Shut processes in by Landlock: the runner and the program are ordinary processes of a user who has others here, and
those are the service's own.

The runner shuts itself in with all that it will start: nothing can be written but in the folders that are named, and no
process outside can be looked into, taken over, signalled or spoken to by an abstract socket. The program is shut in
once more: it reads and executes what belongs to its language and to the system, and finds neither /proc nor /etc nor
what is mounted here, as on other walls. What the kernel does not know is left out; ``look.py`` tries what holds. Runs
in a session: standard library only, Python 3.9 to 3.15.
"""

import os
import stat
import struct

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_SAY_VERSION = 1
_BELOW_A_PATH = 1
_NO_NEW_PRIVILEGES = 38
_EXECUTE = 1 << 0
_WRITE_FILE = 1 << 1
_READ_FILE = 1 << 2
_READ_FOLDER = 1 << 3
_WRITES_AT_FIRST = _WRITE_FILE | sum(1 << bit for bit in range(4, 13))  # make and remove files, folders, links ...
_MOVE = 1 << 13
_TRUNCATE = 1 << 14
_TCP = 0b11  # bind and connect
_SIGNALS_AND_SOCKETS = 0b11
_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc/ld.so.cache", "/etc/localtime", "/etc/ssl/openssl.cnf")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_WITH_MOVE, _WITH_TRUNCATE, _WITH_TCP, _WITH_SIGNALS = 2, 3, 4, 6


def version(kernel):
    """Which Landlock the kernel has; 0 for none.

    Args:
        kernel: the runner's module of that name.
    """
    try:
        return kernel._system_call(_CREATE, None, 0, _SAY_VERSION)
    except OSError:
        return 0


def shut_in(kernel, folders):
    """Shut this process in for good, if the kernel can.

    Args:
        kernel: the runner's module of that name.
        folders: where may be written.

    Returns:
        Whether it is.
    """
    known = version(kernel)
    if not known:
        return False
    writes = _WRITES_AT_FIRST
    writes |= _MOVE if known >= _WITH_MOVE else 0
    writes |= _TRUNCATE if known >= _WITH_TRUNCATE else 0
    handled = struct.pack("=Q", writes)
    if known >= _WITH_TCP:
        handled += struct.pack("=Q", _TCP)
    if known >= _WITH_SIGNALS:
        handled += struct.pack("=Q", _SIGNALS_AND_SOCKETS)
    rules = kernel._system_call(_CREATE, handled, len(handled), 0)
    for folder in folders:
        _allow(kernel, rules, folder, writes)
    _allow(kernel, rules, "/dev/null", writes & (_WRITE_FILE | _TRUNCATE))
    _enter(kernel, rules)
    return True


def close_reading(kernel, runnable, readable):
    """Shut this process in once more: it reads and executes nothing but what is named, the system's own, and devices.

    Args:
        kernel: the runner's module of that name.
        runnable: files and folders that may be executed and read.
        readable: folders that may be read.
    """
    if not version(kernel):
        return
    rules = kernel._system_call(_CREATE, struct.pack("=Q", _EXECUTE | _READ_FILE | _READ_FOLDER), 8, 0)
    for path in (*runnable, *_SYSTEM):
        _allow(kernel, rules, path, _EXECUTE | _READ_FILE | _READ_FOLDER)
    for path in (*readable, *_DEVICES):
        _allow(kernel, rules, path, _READ_FILE | _READ_FOLDER)
    _enter(kernel, rules)


def _allow(kernel, rules, path, rights):
    """Rights below a path, where it is there; a file has fewer than a folder."""
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(os.fstat(place).st_mode):
        rights &= _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
    kernel._system_call(_ADD, rules, _BELOW_A_PATH, struct.pack("=Qi", rights, place), 0)
    os.close(place)


def _enter(kernel, rules):
    kernel._call("prctl", _NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    kernel._system_call(_RESTRICT, rules, 0)
    os.close(rules)
