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

CONTROL = 4
GUESTS = "/guest"
OWN_FOLDER = "/guest/launcher"


def main():
    report, control, preload = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    os.dup2(report, 3)
    os.dup2(control, CONTROL)
    os.closerange(5, max(report, control, 256) + 1)
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # process 1 is deaf to what has no handler
    try:
        kernel, steps = own_modules()
        sys.path.insert(0, GUESTS)
        kernel.die_with_parent()
        calls = kernel.Calls()
        calls.hide_memory()
        calls.make()
        if preload != "-":
            for name in preload.split(","):
                __import__(name)
        steps.send(CONTROL, b"R")
        body = steps.receive(CONTROL)
        if not body:
            return
        plan = marshal.loads(body)
        calls = kernel.Calls()
        steps.add_work_folder(calls, plan["work"])
        calls.make()
        steps.fill_work_folder(plan["files"])
        calls = kernel.Calls()
        steps.add_closing(calls, plan["work"])
        calls.make()
        child = start(kernel, steps, plan)
    except BaseException as error:
        send_trouble(error)
        return
    finish(kernel, steps, plan, wait_for(child))


def own_modules():
    """The files of the launcher's folder, which the guests do not see: not on ``sys.path``, not among the modules."""
    sys.path.insert(0, OWN_FOLDER)
    import kernel
    import steps

    del sys.path[0], sys.modules["kernel"], sys.modules["steps"]
    return kernel, steps


def send_trouble(error):
    """Tell the host that the wall could not be set up."""
    body = f"{type(error).__name__}: {error}".encode("utf-8", "replace")
    os.write(CONTROL, b"X" + len(body).to_bytes(8, "big") + body)


def start(kernel, steps, plan):
    """Fork the program. Returns its process id once it runs on its own.

    Raises:
        OSError: it could not be confined or started.
    """
    failure, report_failure = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(failure)
        become_program(kernel, steps, plan, report_failure)
    os.close(report_failure)
    trouble = os.read(failure, 4096)
    os.close(failure)
    if trouble:
        raise OSError(trouble.decode("utf-8", "replace"))
    return child


def become_program(kernel, steps, plan, report_failure):
    """In the child: give up everything, then run the caller's program. Never returns."""
    try:
        os.close(CONTROL)
        frame = read_all(0) if plan["in_process"] else b""
        calls = kernel.Calls()
        calls.add_python(kernel.empty_bounding_set)
        steps.add_confinement(calls, plan["limits"], plan["filter"])
        calls.make()
        if not plan["in_process"]:
            steps.execute(plan["argv"], plan["environment"])
    except BaseException as error:
        os.write(report_failure, str(error).encode("utf-8", "replace")[:4096] or b"?")
        os._exit(127)
    os.close(report_failure)
    module, function = plan["argv"]
    steps.call_guest(run_guest, steps, module, function, plan["environment"], frame)


def run_guest(steps, module, function, environment, frame):
    """Run a guest that is Python of this very version."""
    steps.set_up_interpreter(environment)
    return getattr(steps.imported(module), function)(frame, steps.REPORT)


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


def finish(kernel, steps, plan, status):
    """Kill what is left, then report: nothing of the program's runs while its files are read."""
    kill_the_rest()
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1
    signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else -1
    steps.send(CONTROL, b"E", "{},{},{},{}".format(code, signal, *kernel.usage_of_the_buried()).encode())
    if plan["collect"]:
        steps.send_files(CONTROL, dict(plan["files"]), *plan["collect"])
    else:
        steps.send(CONTROL, b"D")


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
