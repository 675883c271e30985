"""The steps between a process of ours inside a wall and the caller's program, the same behind every wall.

Runs inside the wall: standard library only, Python 3.9 to 3.15.
"""

import _signal
import functools
import os
import sys

import kernel

REPORT = 3
HEAD_BYTES = 8
_USUAL_BYTES = 4096
_FLAGS = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
_OWN_FOLDER = os.path.dirname(os.path.abspath(__file__))
_WORK = "/work"


def own_module(name):
    """Import a file of this one's folder, which the guests do not see on ``sys.path``."""
    sys.path.insert(0, _OWN_FOLDER)
    try:
        return __import__(name)
    finally:
        del sys.path[0]
        sys.modules.pop(name, None)  # the guests are to find the interpreter as it was


def words(error):
    """An error as bytes of text. One of the system says itself what it is."""
    text = str(error) if type(error) is OSError else f"{type(error).__name__}: {error}"
    return text.encode("utf-8", "replace")[:4000]


def send(descriptor, kind, body=b""):
    """One message to the host: a letter, eight bytes of length, the body."""
    data = memoryview(kind + len(body).to_bytes(8, "big") + body)
    while data:
        data = data[os.write(descriptor, data) :]


def receive(descriptor):
    """The body of one message from the host, or None when it is gone."""
    head = _read_exactly(descriptor, HEAD_BYTES)
    return _read_exactly(descriptor, int.from_bytes(head, "big")) if len(head) == HEAD_BYTES else None


def receive_two(descriptor):
    """The bodies of two messages, after which nothing comes: mostly with a single read."""
    first, rest = _one_of(descriptor, os.read(descriptor, _USUAL_BYTES))
    second, rest = _one_of(descriptor, rest)
    return first, second


def _one_of(descriptor, data):
    """The body of the message that begins with ``data``, and what was read of the next one."""
    if len(data) < HEAD_BYTES:
        data += _read_exactly(descriptor, HEAD_BYTES - len(data))
    end = HEAD_BYTES + int.from_bytes(data[:HEAD_BYTES], "big")
    if len(data) < end:
        data += _read_exactly(descriptor, end - len(data))
    return data[HEAD_BYTES:end], data[end:]


def add_work_folder(calls, work):
    """One tmpfs holds /work and, where the program may write, /tmp and /dev/shm: one budget of bytes and of names.

    Semaphores and shared memory between the processes of one run are files in /dev/shm.

    Args:
        calls: what is to be called is added to these.
        work: bytes, inodes and whether it is writable, or None where there is none.
    """
    if work is None:
        return
    options = "size={},nr_inodes={},mode=700".format(work["bytes"], work["inodes"]).encode()
    calls.mount(b"tmpfs", b"/tmp", b"tmpfs", _FLAGS, options)
    calls.add_python(os.mkdir, "/tmp/work", 0o755)
    calls.add_python(os.mkdir, "/tmp/tmp", 0o700)
    if work["writable"]:
        calls.add_python(os.mkdir, "/tmp/shm", 0o700)
        calls.mount(b"/tmp/shm", b"/dev/shm", None, kernel.MS_BIND)
    calls.mount(b"/tmp/work", b"/work", None, kernel.MS_BIND)
    calls.mount(b"/tmp/tmp", b"/tmp", None, kernel.MS_BIND)


def fill_work_folder(files, folder=_WORK):
    """Put the request's files in: pairs of path and content."""
    if files:
        own_module("workfolder").write_files(folder, files)


def add_closing(calls, work):
    """Where the program may only read, nothing is written from here on."""
    if work is not None and not work["writable"]:
        for folder in (b"/work", b"/tmp"):
            calls.mount(None, folder, None, kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | _FLAGS)


def add_confinement(calls, limits, program_filter, folder=_WORK, *, has_capabilities=True):
    """Give up everything, for good.

    Args:
        calls: what is to be called is added to these.
        limits: number, soft and hard value of each.
        program_filter: which system calls there are; None where that is seen to elsewhere.
        folder: where the program is to be.
        has_capabilities: whether this process has any.
    """
    calls.add_python(os.setsid)
    calls.add_python(os.umask, 0o022)
    calls.add_python(os.chdir, folder)
    for number, soft, hard in limits:
        calls.limit(number, soft, hard)
    calls.drop_capabilities(has_any=has_capabilities)
    if program_filter is not None:
        calls.filter_system_calls(program_filter)


def execute(argv, environment):
    """Become another program, which finds the signals as any does.

    Raises:
        OSError: it cannot be executed.
    """
    _signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)
    os.execve(argv[0], argv, environment)


def set_up_interpreter(environment):
    """What a guest that is Python of this very version expects: empty stdin, its environment, Ctrl-C, no arguments."""
    nothing = os.open("/dev/null", os.O_RDONLY)
    if nothing != 0:
        os.dup2(nothing, 0)
        os.close(nothing)
    _signal.signal(_signal.SIGINT, _signal.default_int_handler)
    os.environ.clear()  # what bubblewrap and the interpreter put there
    os.environ.update(environment)
    sys.argv[:] = [""]


def call_guest(function, *arguments):
    """Call a function of a guest's, which ends the process itself; whatever it does, nothing comes back from here."""
    code = 70
    try:
        code = function(*arguments)
    except SystemExit as error:
        code = error.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    finally:
        os._exit(code if type(code) is int and 0 <= code <= 255 else (0 if code is None else 1))


def imported(module):
    """The module by its dotted name."""
    __import__(module)
    return sys.modules[module]


def send_files(descriptor, given, max_files, max_bytes):
    """Send the files of the work folder, and word of each that is not taken.

    Args:
        descriptor: where to.
        given: path to content of what was put in.
        max_files: how many are taken.
        max_bytes: how much they hold, all together.
    """
    tell_files(functools.partial(send, descriptor), _WORK, given, max_files, max_bytes)
    send(descriptor, b"D")


def tell_files(tell, folder, given, max_files, max_bytes):
    """Tell of the files of a work folder: ``F`` with one that is taken, ``S`` with why one is not."""

    def skipped(path, reason):
        tell(b"S", f"{path[:200]}: {reason}".encode("utf-8", "backslashreplace"))

    collect_files = own_module("workfolder").collect_files
    for path, content in collect_files(folder, given, max_files, max_bytes, skipped=skipped):
        name = path.encode("utf-8")
        tell(b"F", len(name).to_bytes(2, "big") + name + content)


def _read_exactly(descriptor, count):
    chunks = []
    while count:
        chunk = os.read(descriptor, min(count, 1 << 20))
        if not chunk:
            return b""
        chunks.append(chunk)
        count -= len(chunk)
    return b"".join(chunks)
