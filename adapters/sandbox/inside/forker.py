"""Process 1 of a nursery: has the interpreter up and the usual modules loaded, and forks sandboxes from itself.

Bubblewrap starts it as it starts the launcher, and it stays. A sandbox is two processes. The first begins a new set
of user, process, mount and ipc namespaces and then only holds them, see ``holders.py``. The second is forked from here
into those namespaces, confines itself and waits for its program. It never comes back: one program, then both are dead.

Nothing of any run passes through here. Code, inputs, environment and output travel between the host and the forked
process, on descriptors that this process only hands on; so what the next one is forked from knows nothing of it. It
never runs the caller's code and takes words from the host alone.

Descriptors: 3 the host (a socket that keeps messages apart), 4 the host's /proc, where a process finds its own
``self/uid_map``. The host first sends a marshalled dict: modules to load, the environment for that, and the
system-call filter. Then its messages are a letter and eight bytes of number:

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
E      the program of N has ended, and N is held
D      N is no more, every process in it is dead; then the wait status, the CPU time in us and the peak memory in KiB
       of the program, eight bytes each
X      N could not be made (N is 0: nothing can be); the rest of the message says why
====== ============================================================================================================

The line is between the host and the forked process. What comes down is one message that says what the sandbox is to be
like (a marshalled dict), later one with the files for the work folder, and the request frame: as a message for a guest
that is called, bare for one that is executed and finds the line as its stdin. What goes up is ``X`` with a reason, or
``R`` with the CPU time in us spent so far. Runs inside the wall: standard library only, Python 3.9 to 3.15.
"""

import _signal
import _socket
import gc
import marshal
import os
import select
import sys
import time

CONTROL = 3
PROC = 4
LINE = 4  # in a forked process, which has no use for the two above
OWN_FOLDER = "/guest/launcher"
SITE = "/guest/site"
MAX_SANDBOXES = 1024
NUMBER_BYTES = 8
DESCRIPTOR_BYTES = 4
PAUSE_S = 0.0005
IDS = b"1000 1000 1"


def main():
    control, proc = int(sys.argv[1]), int(sys.argv[2])
    os.dup2(control, CONTROL)
    os.dup2(proc, PROC)
    os.closerange(5, max(control, proc, 256) + 1)
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    host = _socket.socket(fileno=CONTROL)
    try:
        kernel, steps, holders = own_modules()
        kernel.die_with_parent()
        stock = holders.Stock(MAX_SANDBOXES)
        start = host.recv(1 << 16)
        if not start:
            return
        start = marshal.loads(start)
        load(start["preload"], start["environment"])
    except BaseException as error:
        host.send(b"X" + bytes(NUMBER_BYTES) + words(error))
        return
    gc.collect()
    gc.freeze()
    Forker(kernel, steps, stock, host, start["filter"]).serve()


def own_modules():
    """The files of the launcher's folder, which the guests do not see: not on ``sys.path``, not among the modules."""
    sys.path.insert(0, OWN_FOLDER)
    import holders
    import kernel
    import steps

    del sys.path[0], sys.modules["kernel"], sys.modules["steps"], sys.modules["holders"]
    return kernel, steps, holders


def load(modules, environment):
    """Import what the programs of this nursery need."""
    os.environ.update(environment)
    sys.path.insert(0, "/guest")
    sys.path.append(SITE)
    for name in modules:
        __import__(name)
    for name in modules:
        before_fork = getattr(sys.modules[name], "before_fork", None)
        if before_fork is not None and name.endswith(".main"):
            before_fork("/work")
    if SITE in sys.path:
        sys.path.remove(SITE)


def words(error):
    """An error as bytes of text."""
    return f"{type(error).__name__}: {error}".encode("utf-8", "replace")[:4000]


def kill(handle):
    """Kill the process behind a handle, if it lives."""
    try:
        _signal.pidfd_send_signal(handle, _signal.SIGKILL)
    except ProcessLookupError:
        pass


def take_ids():
    """Have the user and group id in this process's new user namespace that the forker has in its own."""
    for name, text in (("setgroups", b"deny"), ("uid_map", IDS), ("gid_map", IDS)):
        place = os.open("self/" + name, os.O_WRONLY, dir_fd=PROC)
        os.write(place, text)
        os.close(place)


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


class Forker:
    """Makes sandboxes and tells of their ends."""

    def __init__(self, kernel, steps, stock, host, program_filter):
        self.kernel = kernel
        self.steps = steps
        self.stock = stock
        self.host = host
        self.filter = program_filter
        self.own = kernel.pidfd_open(os.getpid())
        self.events = select.epoll()
        self.by_number = {}
        self.by_handle = {}

    def serve(self):
        """Do what the host says until it is gone."""
        self.events.register(CONTROL, select.EPOLLIN)
        self.tell(b"R" + bytes(NUMBER_BYTES))
        while True:
            for descriptor, _ in self.events.poll():
                if descriptor == CONTROL:
                    if not self.listen():
                        return
                elif descriptor in self.by_handle:
                    self.ended(self.by_handle.pop(descriptor), descriptor)

    def listen(self):
        """Take one message. False when the host is gone."""
        message, ancillary, _, _ = self.host.recvmsg(16, 64)
        descriptors = [
            int.from_bytes(data[place : place + DESCRIPTOR_BYTES], sys.byteorder)
            for _, _, data in ancillary
            for place in range(0, len(data), DESCRIPTOR_BYTES)
        ]
        letter, number = message[:1], message[1:9]
        if letter in (b"S", b"H"):
            self.make(number, letter == b"H", descriptors)
        elif number in self.by_number:
            self.order(letter, self.by_number[number], descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        return bool(message)

    def tell(self, message, *handles):
        """One message to the host, with descriptors."""
        data = b"".join(handle.to_bytes(DESCRIPTOR_BYTES, sys.byteorder) for handle in handles)
        self.host.sendmsg([message], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, data)] if handles else ())

    def make(self, number, held, descriptors):
        """Make a sandbox."""
        kernel = self.kernel
        try:
            sandbox = Sandbox(number, held, *self.stock.take())
        except OSError as error:
            self.tell(b"X" + number + words(error))
            return
        self.by_number[number] = sandbox
        self.look_at(sandbox.holder, sandbox)
        try:
            sandbox.program = self.forked_into(sandbox, self.become, descriptors)
        except OSError as error:
            self.tell(b"X" + number + words(error))
            kill(sandbox.holder)
            return
        sandbox.program_handle = kernel.pidfd_open(sandbox.program)
        self.look_at(sandbox.program_handle, sandbox)
        self.tell(b"P" + number, sandbox.holder, sandbox.program_handle)
        self.stock.refill()

    def look_at(self, handle, sandbox):
        """Notice when the process behind ``handle`` ends."""
        self.by_handle[handle] = sandbox
        self.events.register(handle, select.EPOLLIN)

    def forked_into(self, sandbox, work, descriptors):
        """Fork a process into the sandbox's process namespace; it does ``work`` and ends. Returns its id.

        Raises:
            OSError: the kernel refuses.
        """
        kernel = self.kernel
        kernel.children_into(sandbox.holder)
        try:
            child = kernel.fork()
            if child == 0:
                self.steps.call_guest(work, sandbox, descriptors)
        finally:
            kernel.children_into(self.own)
        return child

    def order(self, letter, sandbox, descriptors):
        """Do something about a sandbox that lives."""
        if letter == b"K" and sandbox.program:
            kill(sandbox.program_handle)
        elif letter == b"B":
            kill(sandbox.holder)
        elif letter == b"F" and not sandbox.taker:
            try:
                sandbox.taker = self.forked_into(sandbox, self.take_files, descriptors)
                sandbox.taker_handle = self.kernel.pidfd_open(sandbox.taker)
            except OSError:  # the host sees that nothing comes
                kill(sandbox.holder)
                return
            self.look_at(sandbox.taker_handle, sandbox)

    def ended(self, sandbox, handle):
        """One of a sandbox's processes has ended. That the holder has means that all have."""
        kernel = self.kernel
        self.events.unregister(handle)
        if handle == sandbox.program_handle:
            figures = kernel.wait(sandbox.program)
            sandbox.figures = b"".join(figure.to_bytes(8, "big", signed=True) for figure in figures)
            sandbox.program, sandbox.program_handle = 0, -1  # the next descriptor may have the same number
            if sandbox.held:
                self.tell(b"E" + sandbox.number)
            else:
                kill(sandbox.holder)
        elif handle == sandbox.taker_handle:
            kernel.wait(sandbox.taker)
            sandbox.taker_handle = -1
            kill(sandbox.holder)
        else:
            self.stock.give_back(sandbox.place)
            del self.by_number[sandbox.number]
            self.tell(b"D" + sandbox.number + sandbox.figures)
        os.close(handle)

    # --- in forked processes ------------------------------------------------------------------------------------------

    def become(self, sandbox, descriptors):
        """Confine this process, wait for the job, run the program."""
        line, stdout, stderr, report, *doors = descriptors
        kernel, steps = self.kernel, self.steps
        try:
            for door in doors:
                os.write(door, b"0")
            kernel.join(sandbox.holder)
            take_ids()
            for number, descriptor in enumerate((stdout, stderr, report, line), 1):
                os.dup2(descriptor, number)
            self.forget()
            self.run(marshal.loads(steps.receive(LINE)))
        except BaseException as error:
            steps.send(LINE, b"X", words(error))
            os._exit(127)

    def run(self, mould):
        """Run the program of a sandbox that is to be like ``mould``."""
        kernel, steps = self.kernel, self.steps
        steps.prepare_work_folder(mould["work"])
        if mould["late"]:
            self.ready()
            steps.fill_work_folder(marshal.loads(steps.receive(LINE)))
        steps.close_work_folder(mould["work"])
        steps.confine(mould["limits"], kernel.drop_capabilities, self.filter)
        if not mould["in_process"]:
            if not mould["late"]:
                self.ready()
            kernel.shut_writing(LINE)
            os.dup2(LINE, 0)
            os.close(LINE)
            steps.execute(mould["argv"], mould["environment"])
        steps.set_up_interpreter(mould["environment"])
        name, function = mould["argv"]
        module = steps.imported(name)
        warm = getattr(module, "warm", None)
        if warm is not None:
            waiting = select.poll()
            waiting.register(LINE, select.POLLIN)
            warm(ahead=not waiting.poll(0))
        if not mould["late"]:
            self.ready()
        if mould["session"]:
            kernel.shut_writing(LINE)
            steps.call_guest(getattr(module, function), LINE, steps.REPORT)
        if not mould["late"]:
            steps.fill_work_folder(marshal.loads(steps.receive(LINE)))
        frame = steps.receive(LINE)
        kernel.shut_writing(LINE)
        os.close(LINE)
        steps.call_guest(getattr(module, function), frame, steps.REPORT)

    def ready(self):
        """Tell the host that the job can come."""
        self.steps.send(LINE, b"R", b"%d" % self.kernel.own_cpu_us())

    def take_files(self, sandbox, descriptors):
        """Kill what the program has left running, then send its files."""
        kernel, steps = self.kernel, self.steps
        kernel.join(sandbox.holder)
        os.dup2(descriptors[0], LINE)
        self.forget()
        try:
            while True:
                os.kill(-1, _signal.SIGKILL)
                time.sleep(PAUSE_S)  # the kernel is at work
        except ProcessLookupError:
            pass
        kernel.drop_capabilities()
        steps.send_files(LINE, *marshal.loads(steps.receive(LINE)))
        return 0

    def forget(self):
        """Keep nothing of the forker's: no descriptor, no sandbox of another run."""
        self.host.detach()
        self.stock.detach()
        self.events.close()
        self.by_number.clear()
        self.by_handle.clear()
        self.kernel.close_from(LINE + 1)
        self.kernel.hide_memory()


if __name__ == "__main__":
    main()
    os._exit(0)
