"""The processes that hold a sandbox's namespaces: process 1 in each, from before the program comes until all are dead.

A process of its own makes them, forked from the keeper. It ignores SIGCHLD, and so do the holders that it clones:
orphans of the program that fall to one of them are buried by the kernel, and the holder needs to run no code at all. It
shares its maker's memory and sleeps in the C library. The keeper itself cannot ignore SIGCHLD: it has to learn how
programs end.

Runs inside the wall: standard library only, Python 3.9 to 3.15.
"""

import _signal
import _socket
import os
import select
import sys

import kernel

DESCRIPTOR_BYTES = 4
AHEAD = 4
PROC = 4  # a descriptor of the host's /proc
IDS = b"1000 1000 1"


class Stock:
    """Holders that are made ahead. Lives in the keeper.

    Args:
        count: how many there can be at one time.
    """

    def __init__(self, count):
        self._count = count
        self._places = list(range(count))
        self._asked = []
        self._line = self._answers = None
        self._maker = -1
        self._begin()

    def _begin(self):
        """Fork the process that makes them: at first, and again if somebody kills it."""
        if self._line is not None:
            self._line.close()
            os.close(self._maker)
        self._line, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        maker = kernel.fork()
        if maker == 0:
            make_holders(theirs, self._count)
        theirs.close()
        self._maker = kernel.pidfd_open(maker)
        self._answers = select.poll()
        self._answers.register(self._line.fileno(), select.POLLIN)
        self._answers.register(self._maker, select.POLLIN)
        self._places += self._asked
        self._asked = []

    def take(self):
        """A holder's place, and a handle of it.

        Raises:
            OSError: there can be no more, or the kernel refuses.
        """
        said, ancillary = self._next()
        if not said:
            self._begin()
            said, ancillary = self._next()
        place = self._asked.pop(0)
        if not ancillary:
            self.give_back(place)
            raise OSError(said.decode("utf-8", "replace") or "the process that makes holders is gone")
        handle = int.from_bytes(ancillary[0][2][:DESCRIPTOR_BYTES], sys.byteorder)
        try:
            give_ids(handle)
        except OSError:  # it was killed, or this kernel lets nobody have ids
            try:
                _signal.pidfd_send_signal(handle, _signal.SIGKILL)
            except ProcessLookupError:
                pass
            os.close(handle)
            self.give_back(place)
            raise
        return place, handle

    def prove(self):
        """Make one for nothing. Where namespaces within namespaces are refused, that is to be known before a program
        wants some.

        Raises:
            OSError: they are refused.
        """
        try:
            place, handle = self.take()
        except OSError as error:
            raise OSError(f"this machine refuses namespaces inside those of bubblewrap ({error})") from None
        _signal.pidfd_send_signal(handle, _signal.SIGKILL)
        select.select((handle,), (), ())
        os.close(handle)
        self.give_back(place)

    def _next(self):
        """The next answer; empty where nobody answers any more."""
        self.refill()
        if not self._asked:
            raise OSError("there are too many sandboxes")
        # Its end of the line stays open when it is dead, for its holders have copies.
        if self._line.fileno() not in (descriptor for descriptor, _ in self._answers.poll()):
            return b"", ()
        try:
            said, ancillary, _, _ = self._line.recvmsg(1000, 64)
        except ConnectionError:
            return b"", ()
        return said, ancillary

    def refill(self):
        """Have as many made as are missing."""
        while self._places and len(self._asked) < AHEAD:
            place = self._places.pop()
            self._asked.append(place)
            try:
                self._line.send(place.to_bytes(2, "big"))
            except ConnectionError:  # whoever reads the answer learns of it
                return

    def give_back(self, place):
        """The holder there is dead."""
        self._places.append(place)

    def detach(self):
        """In a process that was forked from the keeper: none of this is its own."""
        self._line.detach()


def make_holders(line, count):
    """Make a holder at each place that is asked for, and send a handle of it. Never returns."""
    try:
        descriptor = os.dup2(line.detach(), 3)
        kernel.close_from(descriptor + 1)  # holders get copies of what is open here
        line = _socket.socket(fileno=descriptor)
        _signal.signal(_signal.SIGCHLD, _signal.SIG_IGN)
        stacks = kernel.Stacks(count)
        while True:
            place = line.recv(2)
            if not place:
                break
            make_one(line, stacks.top(int.from_bytes(place, "big")))
    finally:
        os._exit(0)


def make_one(line, stack):
    """Make one, and send a handle of it or why there is none."""
    try:
        handle = kernel.pidfd_open(kernel.clone_holder(stack))
    except OSError as error:
        line.send(str(error).encode("utf-8", "replace")[:1000] or b"?")
        return
    line.sendmsg([b"+"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, handle.to_bytes(DESCRIPTOR_BYTES, sys.byteorder))])
    os.close(handle)


def give_ids(handle):
    """Give whoever joins a holder the user and group id there that the keeper has here.

    What /proc says of a handle is the number that the process has for the host, whose /proc it is.
    """
    place = os.open(f"self/fdinfo/{handle}", os.O_RDONLY, dir_fd=PROC)
    said = os.read(place, 1000)
    os.close(place)
    number = int(said[said.index(b"Pid:") + 4 :].split(None, 1)[0])
    for name, text in (("setgroups", b"deny"), ("uid_map", IDS), ("gid_map", IDS)):
        place = os.open(f"{number}/{name}", os.O_WRONLY, dir_fd=PROC)
        os.write(place, text)
        os.close(place)
