"""Process 1 inside the wall: prepares the work folder, starts the caller's program, reports how it ended.

Bubblewrap starts it with two capabilities in a user namespace of its own. It takes one plan from the host, forks, takes
every privilege from the child, and lets the child become the program. When the program ends it kills whatever else is
left in the namespace and sends the outcome and the output files. When it ends itself, the kernel kills the rest.

Descriptors: 0 the program's request frame, 1 and 2 its output, 3 its reports, 4 the host. The program never has 4.

What goes up descriptor 4 is a row of messages, each one letter, eight bytes of length (big-endian) and a body:

====== ============================================================================================================
R      ready: the plan can come
X      the wall could not be set up; the body says why. Nothing of the caller's has run
E      the program ended: ``exit code,signal,CPU time in us,peak memory of one process in KiB``; -1 where there is none
F      one output file: two bytes of length, its path, its content
S      one thing in the work folder was not taken; the body says which and why
D      done
====== ============================================================================================================

The plan comes down as eight bytes of length and a marshalled dict, because marshal costs no import; it only ever goes
from the host to this file. Runs inside the wall: standard library only, Python 3.9 to 3.15.
"""

import _signal
import marshal
import os
import sys

REPORT = 3
CONTROL = 4
GUESTS = "/guest"
OWN_FOLDER = "/guest/launcher"


def main():
    report, control, preload = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    os.dup2(report, REPORT)
    os.dup2(control, CONTROL)
    os.closerange(5, max(report, control, 256) + 1)
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # process 1 is deaf to what has no handler
    try:
        kernel = own_module("kernel")
        del sys.modules["kernel"]  # the guests are to find the interpreter as it was
        sys.path.insert(0, GUESTS)
        kernel.die_with_parent()
        kernel.hide_memory()
        if preload != "-":
            __import__(preload)
        send(b"R")
        plan = receive()
        if plan is None:
            return
        prepare_work_folder(kernel, plan)
        child = start(kernel, plan)
    except BaseException as error:
        send(b"X", f"{type(error).__name__}: {error}".encode("utf-8", "replace"))
        return
    finish(kernel, plan, wait_for(child))


def own_module(name):
    """Import a file of the launcher's folder, which the guests do not see on ``sys.path``."""
    sys.path.insert(0, OWN_FOLDER)
    try:
        return __import__(name)
    finally:
        del sys.path[0]


def send(kind, body=b""):
    """One message to the host."""
    data = memoryview(kind + len(body).to_bytes(8, "big") + body)
    while data:
        data = data[os.write(CONTROL, data) :]


def receive():
    """The plan, or None when the host is gone."""
    head = read_exactly(8)
    body = read_exactly(int.from_bytes(head, "big")) if len(head) == 8 else b""
    return marshal.loads(body) if body else None


def read_exactly(count):
    chunks = []
    while count:
        chunk = os.read(CONTROL, min(count, 1 << 20))
        if not chunk:
            return b""
        chunks.append(chunk)
        count -= len(chunk)
    return b"".join(chunks)


def prepare_work_folder(kernel, plan):
    """One tmpfs holds /work and, where the program may write, /tmp and /dev/shm: one budget of bytes and of names.

    Semaphores and shared memory between the processes of one run are files in /dev/shm.
    """
    work = plan["work"]
    if work is None:
        return
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    options = "size={},nr_inodes={},mode=700".format(work["bytes"], work["inodes"]).encode()
    kernel.mount(b"tmpfs", b"/tmp", b"tmpfs", flags, options)
    os.mkdir("/tmp/work", 0o755)
    os.mkdir("/tmp/tmp", 0o700)
    if work["writable"]:
        os.mkdir("/tmp/shm", 0o700)
        kernel.mount(b"/tmp/shm", b"/dev/shm", None, kernel.MS_BIND, None)
    kernel.mount(b"/tmp/work", b"/work", None, kernel.MS_BIND, None)
    kernel.mount(b"/tmp/tmp", b"/tmp", None, kernel.MS_BIND, None)
    if plan["files"]:
        own_module("workfolder").write_files("/work", plan["files"])
    if not work["writable"]:
        for folder in (b"/work", b"/tmp"):
            kernel.mount(None, folder, None, kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | flags, None)


def start(kernel, plan):
    """Fork the program. Returns its process id once it runs on its own.

    Raises:
        OSError: it could not be confined or started.
    """
    failure, report_failure = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(failure)
        become_program(kernel, plan, report_failure)
    os.close(report_failure)
    trouble = os.read(failure, 4096)
    os.close(failure)
    if trouble:
        raise OSError(trouble.decode("utf-8", "replace"))
    return child


def become_program(kernel, plan, report_failure):
    """In the child: give up everything, then run the caller's program. Never returns."""
    try:
        os.close(CONTROL)
        os.setsid()
        os.umask(0o022)
        os.chdir("/work")
        frame = read_all(0) if plan["in_process"] else b""
        for number, soft, hard in plan["limits"]:
            kernel.limit(number, soft, hard)
        kernel.drop_privileges()
        kernel.filter_system_calls(plan["filter"])
        if not plan["in_process"]:
            _signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)
            os.execve(plan["argv"][0], plan["argv"], plan["environment"])
    except BaseException as error:
        os.write(report_failure, str(error).encode("utf-8", "replace")[:4096] or b"?")
        os._exit(127)
    os.close(report_failure)
    call_guest(plan, frame)


def call_guest(plan, frame):
    """Run a guest that is Python of this very version. Never returns."""
    code = 70
    try:
        nothing = os.open("/dev/null", os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        _signal.signal(_signal.SIGINT, _signal.default_int_handler)
        os.environ.clear()  # what bubblewrap and the interpreter put there
        os.environ.update(plan["environment"])
        sys.argv[:] = [""]
        module, function = plan["argv"]
        __import__(module)
        code = getattr(sys.modules[module], function)(frame, REPORT)
    except SystemExit as error:
        code = error.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    finally:
        os._exit(code if type(code) is int and 0 <= code <= 255 else (0 if code is None else 1))


def read_all(descriptor):
    chunks = []
    while True:
        chunk = os.read(descriptor, 1 << 20)
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)


def wait_for(child):
    """The wait status of ``child``, while burying the orphans that fall to process 1."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            return status


def finish(kernel, plan, status):
    """Kill what is left, then report: nothing of the program's runs while its files are read."""
    kill_the_rest()
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1
    signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else -1
    send(b"E", "{},{},{},{}".format(code, signal, *kernel.usage_of_the_buried()).encode())
    if plan["collect"]:
        max_files, max_bytes = plan["collect"]
        collect_files = own_module("workfolder").collect_files
        for path, content in collect_files("/work", dict(plan["files"]), max_files, max_bytes, skipped=report_skipped):
            name = path.encode("utf-8")
            send(b"F", len(name).to_bytes(2, "big") + name + content)
    send(b"D")


def report_skipped(path, reason):
    """Tell the host about one thing that is not taken."""
    send(b"S", f"{path[:200]}: {reason}".encode("utf-8", "backslashreplace"))


def kill_the_rest():
    """End every other process in the namespace and wait until there is none."""
    while True:
        try:
            os.kill(-1, _signal.SIGKILL)
        except ProcessLookupError:
            pass
        try:
            while True:
                os.waitpid(-1, 0)
        except ChildProcessError:
            return


if __name__ == "__main__":
    main()
    os._exit(0)
