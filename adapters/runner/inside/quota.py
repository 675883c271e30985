"""Count what a program makes in folders, where no file system does: the kernel asks before each new name.

The filter of the program's process sends every call that makes a file, a folder or a link here, whatever its arguments
are, so there is nothing to be raced with: a call is let through, or it is not. Runs inside a wall: standard library
only, Python 3.9 to 3.15; Linux 5.5 or later.
"""

import errno
import fcntl
import os
import stat
import struct

import folders
import kernel

_SYS_SECCOMP = 277 if os.uname().machine == "aarch64" else 317
_SET_MODE_FILTER = 1
_NEW_LISTENER = 8
_RECEIVE = 0xC0502100
_SEND = 0xC0182101
_ASKED = 80  # struct seccomp_notif
_CONTINUE = 1


def install(program):
    """Install a filter on this process, for good. Returns the descriptor that its questions come from.

    Raises:
        OSError: the kernel will not.
    """
    return kernel.filter_with_listener(_SYS_SECCOMP, _SET_MODE_FILTER, _NEW_LISTENER, program)


class Quota:
    """Answers the questions of one program.

    Args:
        listener: where they come from.
        below: the folders in which they count.
        most: how many names there may be in them.
    """

    def __init__(self, listener, below, most):
        self.listener = listener
        self._folders = below
        self._most = most
        self._left = most - self._count()

    def answer(self):
        """Answer the next question. False where nobody is left to ask one."""
        question = bytearray(_ASKED)
        try:
            fcntl.ioctl(self.listener, _RECEIVE, question)
        except OSError as error:
            return error.errno in (errno.EINTR, errno.ENOENT)  # who asked is gone
        number = struct.unpack_from("=Q", question)[0]
        refusal = 0 if self._may() else -errno.ENOSPC
        reply = struct.pack("=QqiI", number, 0, refusal, 0 if refusal else _CONTINUE)
        try:
            fcntl.ioctl(self.listener, _SEND, reply)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
        return True

    def _may(self):
        if self._left <= 0:  # some of what was made may be gone again
            self._left = self._most - self._count()
        self._left -= 1
        return self._left >= 0

    def _count(self):
        """How many names are in the folders, or that there are too many."""
        count = 0
        try:
            for count, _ in enumerate(folders.names(self._folders), 1):
                if count >= self._most:
                    break
        except folders.Hidden:
            return self._most
        return count


def size(below, pids, most):
    """How many bytes the files below some folders take, all together; no more are looked for when there are ``most``.

    What cannot be looked at counts as more than that.

    Args:
        below: the folders.
        pids: who may hold files in them that have no name any more.
        most: see above.
    """
    try:
        taken = folders.nameless_bytes(below, pids)
        for about in folders.names(below):
            taken += 0 if stat.S_ISDIR(about.st_mode) else about.st_blocks * 512
            if taken > most:
                break
    except folders.Hidden:
        return most + 1
    return taken
