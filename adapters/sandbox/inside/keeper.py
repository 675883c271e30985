"""Process 1 of a nursery: has sandboxes made, tells of their ends, and buries them.

Bubblewrap starts it as it starts the launcher, and it stays. It has two helpers: one that makes the holders of
namespaces, see ``holders.py``, and the template that programs are forked from, see ``template.py``. A sandbox is two
processes. The holder is the first in a new set of user, process, mount and ipc namespaces and does nothing but hold
them. The program is forked from the template into those namespaces, as this process's child, confines itself and waits
for what it is to run. It never comes back: one program, then both are dead.

Nothing of any run passes through here, and this process never runs the caller's code and takes words from the host
alone. It keeps no more of a sandbox than its numbers; the template, whose memory every program gets a copy of, has not
even these.

Descriptors: 3 the host (a socket that keeps messages apart), 4 the host's /proc. The host first sends a marshalled
dict: modules to load, the environment for that and for programs, and the system-call filter. Then its messages are a
letter, eight bytes of number, and for the first two what the sandbox is to be like (a marshalled dict):

====== ============================================================================================================
S      make sandbox N; bury it when its program has ended. With descriptors: line, stdout, stderr, report, and the
       doors of control groups to enter
H      the same, but hold it then, so that its files can be taken
K      kill the program of N
F      kill what the program of N has left running, send the files to the descriptor that comes along, bury N
B      bury N: kill all of it
====== ============================================================================================================

And to the host:

====== ============================================================================================================
R      ready
P      N is there. With descriptors: handles of its holder and of its program
E      the program of N has ended; then its wait status, its CPU time in us and its peak memory in KiB, eight bytes each
D      N is no more, every process in it is dead; then the same
X      N could not be made (N is 0: nothing can be); the rest of the message says why
====== ============================================================================================================

Runs inside the wall: standard library only, Python 3.9 to 3.15.
"""

import _signal
import _socket
import marshal
import os
import select
import sys
import time

CONTROL = 3
PROC = 4
LINE = 4  # in the process that takes files
OWN_FOLDER = "/guest/launcher"
MAX_SANDBOXES = 1024
NUMBER_BYTES = 8
DESCRIPTOR_BYTES = 4
MESSAGE_BYTES = 1 << 16
ANCILLARY_BYTES = 64
PAUSE_S = 0.0005


def main():
    control, proc = int(sys.argv[1]), int(sys.argv[2])
    os.dup2(control, CONTROL)
    os.dup2(proc, PROC)
    os.closerange(5, max(control, proc, 256) + 1)
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    host = _socket.socket(fileno=CONTROL)
    kernel, steps, holders, template = own_modules()
    try:
        kernel.die_with_parent()
        stock = holders.Stock(MAX_SANDBOXES)
        start = host.recv(1 << 16)
        if not start:
            return
        stock.prove()
        forking = started(kernel, template, host, stock, marshal.loads(start))
    except BaseException as error:
        host.send(b"X" + bytes(NUMBER_BYTES) + steps.words(error))
        return
    try:
        Keeper(kernel, steps, stock, host, forking).serve()
    except EOFError as error:
        os.write(2, steps.words(error))  # the host hears it when it finds the nursery gone


def own_modules():
    """The files of the launcher's folder, which the guests do not see: not on ``sys.path``, not among the modules."""
    sys.path.insert(0, OWN_FOLDER)
    import holders
    import kernel
    import steps
    import template

    del sys.path[0]
    for name in ("kernel", "steps", "holders", "template"):
        del sys.modules[name]
    return kernel, steps, holders, template


def kill(handle):
    """Kill the process behind a handle, if it lives."""
    try:
        _signal.pidfd_send_signal(handle, _signal.SIGKILL)
    except ProcessLookupError:
        pass


def with_descriptors(descriptors):
    """Ancillary data that takes descriptors along."""
    data = b"".join(descriptor.to_bytes(DESCRIPTOR_BYTES, sys.byteorder) for descriptor in descriptors)
    return [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, data)]


def started(kernel, template, host, stock, start):
    """The process that programs are forked from, once it has loaded what it is to load.

    Programs find the frames of this below their own, so it is a function: the call of a class would count as a level of
    recursion that no frame shows.

    Raises:
        OSError: it cannot load that; the message is its own.
        EOFError: it ended.
    """
    line, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    if kernel.fork() == 0:
        host.detach()
        stock.detach()
        template.main(theirs, start)
    theirs.close()
    forking = Template(line)
    forking.heard()
    return forking


class Template:
    """The process that programs are forked from, as the keeper deals with it."""

    def __init__(self, line):
        self.line = line

    def fork(self, mould, descriptors):
        """Have a process forked into a sandbox. Its number.

        Raises:
            OSError: the kernel refuses; the message is its own.
            EOFError: the template is gone.
        """
        self.line.sendmsg([mould], with_descriptors(descriptors))
        return int.from_bytes(self.heard(), "big")

    def heard(self):
        """What comes with the word that it went well."""
        try:
            said = self.line.recv(MESSAGE_BYTES)
        except ConnectionError:
            said = b""
        if not said:
            raise EOFError("the process that programs are forked from is gone")
        if said[:1] == b"X":
            raise OSError(said[1:].decode("utf-8", "replace"))
        return said[1:]


class Sandbox:
    """Two processes: the one that holds the namespaces, and the one that becomes the program.

    Attributes:
        number: the host's name for it.
        held: whether it stays when the program has ended, for its files to be taken.
        place: of the holder among all of them.
        holder: a handle of it.
        program, program_handle: the second process; 0 when it has been waited for.
        taker, taker_handle: a third that takes the files, or 0.
        figures: wait status, CPU time and peak memory of the program, packed.
    """

    __slots__ = (
        "figures",
        "held",
        "holder",
        "number",
        "place",
        "program",
        "program_handle",
        "taker",
        "taker_handle",
    )

    def __init__(self, number, held, place, holder):
        self.number = number
        self.held = held
        self.place = place
        self.holder = holder
        self.program = self.taker = 0
        self.program_handle = self.taker_handle = -1
        self.figures = bytes(24)


class Keeper:
    """Keeps account of sandboxes."""

    def __init__(self, kernel, steps, stock, host, template):
        self.kernel = kernel
        self.steps = steps
        self.stock = stock
        self.host = host
        self.template = template
        self.events = select.epoll()
        self.by_number = {}
        self.by_handle = {}

    def serve(self):
        """Do what the host says until it is gone.

        Raises:
            EOFError: the template is gone.
        """
        self.events.register(CONTROL, select.EPOLLIN)
        self.events.register(self.template.line.fileno(), select.EPOLLIN)  # it speaks when it is spoken to, or ends
        self.tell(b"R" + bytes(NUMBER_BYTES))
        while True:
            for descriptor, _ in self.events.poll():
                if descriptor == CONTROL:
                    if not self.listen():
                        return
                elif descriptor in self.by_handle:
                    self.ended(self.by_handle.pop(descriptor), descriptor)
                elif descriptor == self.template.line.fileno():
                    raise EOFError("the process that programs are forked from is gone, or spoke unasked")

    def listen(self):
        """Take one message. False when the host is gone.

        Raises:
            EOFError: the template is gone.
        """
        message, ancillary, _, _ = self.host.recvmsg(MESSAGE_BYTES, ANCILLARY_BYTES)
        descriptors = [descriptor for _, _, data in ancillary for descriptor in memoryview(data).cast("i").tolist()]
        letter, number = message[:1], message[1 : 1 + NUMBER_BYTES]
        if letter in (b"S", b"H"):
            self.make(number, letter == b"H", message[1 + NUMBER_BYTES :], descriptors)
        elif number in self.by_number:
            self.order(letter, self.by_number[number], descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        return bool(message)

    def tell(self, message, *handles):
        """One message to the host, with descriptors."""
        self.host.sendmsg([message], with_descriptors(handles) if handles else ())

    def make(self, number, held, mould, descriptors):
        """Make a sandbox."""
        try:
            sandbox = Sandbox(number, held, *self.stock.take())
        except OSError as error:
            self.tell(b"X" + number + self.steps.words(error))
            return
        self.by_number[number] = sandbox
        self.look_at(sandbox.holder, sandbox)
        try:
            sandbox.program = self.template.fork(mould, (sandbox.holder, *descriptors))
            sandbox.program_handle = self.kernel.pidfd_open(sandbox.program)
        except OSError as error:
            self.tell(b"X" + number + self.steps.words(error))
            kill(sandbox.holder)
            return
        self.look_at(sandbox.program_handle, sandbox)
        self.tell(b"P" + number, sandbox.holder, sandbox.program_handle)
        self.stock.refill()

    def look_at(self, handle, sandbox):
        """Notice when the process behind ``handle`` ends."""
        self.by_handle[handle] = sandbox
        self.events.register(handle, select.EPOLLIN)

    def order(self, letter, sandbox, descriptors):
        """Do something about a sandbox that lives."""
        if letter == b"K" and sandbox.program:
            kill(sandbox.program_handle)
        elif letter == b"B":
            kill(sandbox.holder)
        elif letter == b"F" and not sandbox.taker:
            try:
                sandbox.taker = self.forked_taker(sandbox, descriptors[0])
                sandbox.taker_handle = self.kernel.pidfd_open(sandbox.taker)
            except OSError:  # the host sees that nothing comes
                kill(sandbox.holder)
                return
            self.look_at(sandbox.taker_handle, sandbox)

    def ended(self, sandbox, handle):
        """One of a sandbox's processes has ended. That the holder has means that all have."""
        kernel = self.kernel
        if handle == sandbox.program_handle:
            figures = kernel.wait(sandbox.program)
            sandbox.figures = b"".join(figure.to_bytes(8, "big", signed=True) for figure in figures)
            sandbox.program, sandbox.program_handle = 0, -1  # the next descriptor may have the same number
            self.tell(b"E" + sandbox.number + sandbox.figures)
            if not sandbox.held:
                kill(sandbox.holder)
        elif handle == sandbox.taker_handle:
            kernel.wait(sandbox.taker)
            sandbox.taker_handle = -1
            kill(sandbox.holder)
        else:
            self.stock.give_back(sandbox.place)
            del self.by_number[sandbox.number]
            self.tell(b"D" + sandbox.number + sandbox.figures)
        self.events.unregister(handle)
        os.close(handle)

    def forked_taker(self, sandbox, descriptor):
        """Fork the process that takes a sandbox's files; it sends them to ``descriptor``.

        Raises:
            OSError: the kernel refuses.
        """
        kernel = self.kernel
        own = kernel.pidfd_open(os.getpid())
        kernel.children_into(sandbox.holder)
        try:
            child = kernel.fork()
            if child == 0:
                self.steps.call_guest(self.take_files, sandbox, descriptor)
        finally:
            kernel.children_into(own)
            os.close(own)
        return child

    def take_files(self, sandbox, descriptor):
        """In the forked process: kill what the program has left running, then send its files."""
        kernel, steps = self.kernel, self.steps
        calls = kernel.Calls()
        calls.join(sandbox.holder)
        calls.add_python(os.dup2, descriptor, LINE)
        calls.close_from(LINE + 1)
        calls.hide_memory()
        calls.make()
        try:
            while True:
                os.kill(-1, _signal.SIGKILL)
                time.sleep(PAUSE_S)  # the kernel is at work
        except ProcessLookupError:
            pass
        calls = kernel.Calls()
        calls.drop_capabilities()
        calls.make()
        steps.send_files(LINE, *marshal.loads(steps.receive(LINE)))
        return 0


if __name__ == "__main__":
    main()
    os._exit(0)
