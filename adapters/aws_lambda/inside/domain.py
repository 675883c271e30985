"""Keep programs to themselves by Landlock, where the kernel has it.

A process in a domain reads and traces no process outside of it and, from Linux 6.12 on, signals none. Some processes of
an execution environment are Lambda's own and of the same user, and this is all that can be done about them. The domain
forbids nothing else: what it has to name it allows everywhere, or the runner's filter refuses it already.

Runs in Lambda: standard library only, Python 3.9 to 3.15.
"""

from __future__ import annotations

import ctypes
import os
import struct

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the numbers are the same on x86_64 and aarch64
_ASK_VERSION = 1
_PATH_BENEATH = 1
_REFER = 1 << 13
_BIND_AND_CONNECT_TCP = 3
_SIGNALS_AND_ABSTRACT_SOCKETS = 3
_FIRST_WITH_REFER, _FIRST_WITH_NETWORK, _FIRST_WITH_SCOPES = 2, 4, 6
_NO_NEW_PRIVILEGES = 38
_libc = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """The version of Landlock here; 0 where there is none, or none that serves."""
    found = int(_libc.syscall(_CREATE, None, ctypes.c_size_t(0), _ASK_VERSION))
    return found if found >= _FIRST_WITH_REFER else 0


def enter() -> None:
    """Put this process and all that it starts into a domain of their own, for good.

    Raises:
        OSError: the kernel has Landlock, and refuses.
    """
    here = version()
    if not here:
        return
    rules = _rules(here)
    ruleset = _checked(_libc.syscall(_CREATE, rules, ctypes.c_size_t(len(rules)), 0))
    if here < _FIRST_WITH_NETWORK:
        root = os.open("/", os.O_PATH | os.O_DIRECTORY)
        _checked(_libc.syscall(_ADD, ruleset, _PATH_BENEATH, struct.pack("=Qi", _REFER, root), 0))
        os.close(root)
    _checked(_libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    _checked(_libc.syscall(_RESTRICT, ruleset, 0))
    os.close(ruleset)


def _rules(here: int) -> bytes:
    """What the domain is about: there has to be something."""
    if here < _FIRST_WITH_NETWORK:
        return struct.pack("=Q", _REFER)
    if here < _FIRST_WITH_SCOPES:
        return struct.pack("=QQ", 0, _BIND_AND_CONNECT_TCP)
    return struct.pack("=QQQ", 0, _BIND_AND_CONNECT_TCP, _SIGNALS_AND_ABSTRACT_SOCKETS)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
