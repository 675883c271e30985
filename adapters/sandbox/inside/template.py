"""What programs are forked from: a process that has the interpreter up and the usual modules loaded, and waits.

The keeper forks it while it is small itself, and tells it when to fork. A forked process is the keeper's child, not
this one's: it enters the namespaces of a sandbox, confines itself and waits for its program. It never comes back.

After each fork the first write to a page of memory, here and in the forked process, costs a copy of it, and that is
most of what a sandbox costs. So this process does next to nothing itself, and the forked one as little as it can: what
can be settled before the fork is, in a ``Form`` for each kind of sandbox.

Nothing of any run passes through here. Code, inputs, files, output and what a policy adds to the environment travel
between the host and the forked process, on descriptors that this process only hands on; so what the next one is forked
from knows nothing of it. It never runs the caller's code.

Descriptors: 3 the keeper. It sends what a sandbox is to be like (a marshalled dict) with descriptors: a handle of the
holder of its namespaces, the line, stdout, stderr, report, and the doors of control groups to enter. The answer is
``P`` and the number of the process, or ``X`` and why there is none.

The line is between the host and the forked process. What comes down are messages of eight bytes of length and a body:
where the policy adds to the environment, that, as a marshalled dict; then pairs of path and content for the work
folder, marshalled, and the request frame: as a message for a guest that is called, bare for one that is executed and
finds the line as its stdin. What goes up is ``X`` with a reason, or ``R`` with the CPU time in us spent so far and,
where files come out, a descriptor of the work folder.

Runs inside the wall: standard library only, Python 3.9 to 3.15.
"""

import _socket
import gc
import marshal
import os
import select
import sys
import time

import kernel
import steps

KEEPER = 3
LINE = 4
SITE = "/guest/site"
NUMBER_BYTES = 8
DESCRIPTOR_BYTES = 4
MESSAGE_BYTES = 1 << 16
ANCILLARY_BYTES = 64
MOST_FORMS = 64
_BYTES_ITSELF = sys.getsizeof(b"")
_SMALLEST_BYTES, _STEP, _LARGEST_POOLED = 48, 16, 512
_POOL_BYTES, _POOL_HEAD = (16384 if sys.version_info >= (3, 10) else 4096), 48
_MOST_HOLES = 4000


def main(keeper, start):
    """Load what is to be loaded, tell the keeper, and fork when it says so. Never returns.

    Args:
        keeper: the socket to it.
        start: the modules to load, the environment for them and for programs, the system-call filter.
    """
    try:
        kernel.die_with_parent()
        os.dup2(keeper.detach(), KEEPER)
        os.dup2(0, LINE)  # whatever: no other file is to get this number
        kernel.close_from(LINE + 1)
        keeper = _socket.socket(fileno=KEEPER)
        try:
            steps.set_up_interpreter(start["environment"])
            load(start["preload"])
        except BaseException as error:
            keeper.send(b"X" + steps.words(error))
            return
        gc.collect()
        template = Template(keeper, start["filter"], fill_holes())
        gc.freeze()
        keeper.send(b"P")
        template.serve()
    except BaseException:
        sys.excepthook(*sys.exc_info())  # the host hears it when it finds the nursery gone
    finally:
        os._exit(0)


def load(modules):
    """Import what the programs of this nursery need."""
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


def fill_holes():
    """Objects that fill the holes between others, to be kept.

    CPython puts objects of one size into pools of 16 KiB (4 KiB before Python 3.10). While old pools have holes, what
    is made next lies scattered over all of them, each a page to copy for a forked process, and most of these another
    page for the head of the pool. Once they are full it lies in new pools, beside their heads.
    """
    held = []
    for size in range(_SMALLEST_BYTES, _LARGEST_POOLED + 1, _STEP):
        for _ in range(_MOST_HOLES):
            block = bytes(size - _BYTES_ITSELF)
            if id(block) % _POOL_BYTES == _POOL_HEAD:
                break
            held.append(block)
    return held


class Form:
    """What sandboxes of one kind have in common.

    Attributes:
        mould: what they are to be like.
        last: what is called when the work folder is filled, in a sandbox that gets its files before it confines itself.
        run, warm: functions of the guest's module; None where it is executed, or has none.
    """

    __slots__ = ("_first", "_ways", "last", "mould", "run", "warm")

    def __init__(self, mould, program_filter):
        self.mould = mould
        self._ways = {}
        self._first, self.last = kernel.Calls(), kernel.Calls()
        self._first.hide_memory()
        steps.add_work_folder(self._first, mould["work"])
        steps.add_closing(self.last, mould["work"])
        steps.add_confinement(self.last, mould["limits"], program_filter)
        if not mould["late"]:
            self._first.extend(self.last)
        self.run = self.warm = None
        if mould["in_process"]:
            name, function = mould["argv"]
            module = steps.imported(name)
            self.run, self.warm = getattr(module, function), getattr(module, "warm", None)

    def way(self, descriptors):
        """The calls from the fork into the sandbox, given what came with the order: nearly always the same numbers."""
        way = self._ways.get(descriptors)
        if way is None:
            if len(self._ways) >= MOST_FORMS:
                self._ways.clear()
            way = self._ways[descriptors] = kernel.Calls()
            holder, line, stdout, stderr, report, *doors = descriptors
            way.add_python(os.dup2, line, LINE)  # before anything fails, for there it is said
            for door in doors:
                way.add_python(os.write, door, b"0")
            way.join(holder)
            for descriptor, number in ((stdout, 1), (stderr, 2), (report, steps.REPORT)):
                way.add_python(os.dup2, descriptor, number)
            way.close_from(LINE + 1)
            way.extend(self._first)
        return way


class Template:
    """Forks processes into sandboxes.

    Args:
        keeper: the socket to it.
        program_filter: which system calls programs have.
        held: objects that are to stay.
    """

    def __init__(self, keeper, program_filter, held):
        self.keeper = keeper
        self.held = held
        self.filter = program_filter
        self.forms = {}
        self.waiting = select.poll()
        self.waiting.register(LINE, select.POLLIN)

    def serve(self):
        """Do what the keeper says until it is gone."""
        # In local names, for what the forked process looks up elsewhere it also writes to.
        call_guest, waiting = steps.call_guest, self.waiting
        while True:
            mould, ancillary, _, _ = self.keeper.recvmsg(MESSAGE_BYTES, ANCILLARY_BYTES)
            if not mould:
                return
            descriptors = tuple(memoryview(ancillary[0][2]).cast("i"))
            form = self.forms.get(mould) or self.form(mould)
            make, of_mould, last, run, warm = form.way(descriptors).make, form.mould, form.last, form.run, form.warm
            try:
                kernel.children_into(descriptors[0])
                child = kernel.fork_sibling()
                if child == 0:
                    call_guest(become, make, of_mould, last, run, warm, waiting)
                answer = b"P" + child.to_bytes(NUMBER_BYTES, "big")
            except OSError as error:
                answer = b"X" + steps.words(error)
            self.keeper.send(answer)
            for descriptor in descriptors:
                os.close(descriptor)

    def form(self, mould):
        """What is common to all sandboxes of this mould."""
        if len(self.forms) >= MOST_FORMS:
            self.forms.clear()
        form = self.forms[mould] = Form(marshal.loads(mould), self.filter)
        return form


# --- in the forked process --------------------------------------------------------------------------------------------


def become(make, mould, last, run, warm, waiting):
    """Confine this process, wait for the program, run it.

    Args:
        make: goes from the fork into the sandbox.
        mould: what it is like.
        last: as the Form has it.
        run: likewise.
        warm: likewise.
        waiting: polls whether somebody has sent something down the line.
    """
    try:
        make()
        added = marshal.loads(steps.receive(LINE)) if mould["adds_environment"] else None
        if mould["late"]:
            ready(mould)
            steps.fill_work_folder(marshal.loads(steps.receive(LINE)))
            last.make()
        if run is None:
            execute(mould, added)
        if added:
            os.environ.update(added)
        if warm is not None:
            warm(ahead=not waiting.poll(0))
        if not mould["late"]:
            ready(mould)
        if mould["session"]:
            kernel.shut_writing(LINE)
            steps.call_guest(run, LINE, steps.REPORT)
        if mould["late"]:
            frame = steps.receive(LINE)
        else:
            files, frame = steps.receive_two(LINE)
            steps.fill_work_folder(marshal.loads(files))
        kernel.shut_writing(LINE)
        os.close(LINE)
        steps.call_guest(run, frame, steps.REPORT)
    except BaseException as error:
        os.write(LINE, b"X" + steps.words(error))
        os._exit(127)


def execute(mould, added):
    """Become another program, which has the line as its stdin."""
    if not mould["late"]:
        ready(mould)
    kernel.shut_writing(LINE)
    os.dup2(LINE, 0)
    os.close(LINE)
    steps.execute(mould["argv"], {**mould["environment"], **(added or {})})


def ready(mould):
    """Tell the host that the job can come, and hand over the work folder where it will look for files in it."""
    said = b"R" + b"%d" % (time.process_time_ns() // 1000)
    if not mould["collects"]:
        os.write(LINE, said)
        return
    folder = os.open("/work", os.O_RDONLY)
    line = _socket.socket(fileno=LINE)
    data = folder.to_bytes(DESCRIPTOR_BYTES, sys.byteorder)
    line.sendmsg([said], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, data)])
    line.detach()
    os.close(folder)
