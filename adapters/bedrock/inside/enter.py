"""Runs the runner in a session: ``python3 -I -S -X utf8 -u enter.py MODE ORDER``, with ORDER as JSON.

``run`` runs one job and prints the runner's answer:

====== ===============================================================================================================
setup  the runner's argument
job    a file that holds WORD, a line end and the job; null where they come on stdin, as base64
site   the folder of packages that the program may import, or null
first  how many characters of the answer are printed; all of them stay in the file ``answer``
====== ===============================================================================================================

What is printed is a line of its own, ``understudy WORD ok SIZE``, and the beginning of the answer; or ``understudy WORD
trouble REASON`` where the runner could not be started. The program never learns WORD, so it cannot print such a line.
``hold`` runs the runner on the stdin and stdout that it finds, for a session. Standard library only, Python 3.9 to
3.15.
"""

import base64
import json
import os
import sys

_WANTED_BY_PACKAGES = ("/etc/fonts", "/proc/meminfo", "/proc/self/cgroup", "/sys/devices/system/cpu", "/sys/fs/cgroup")
"""Harmless, and DuckDB takes a file that is there and cannot be read for a fault of its own."""

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def main(mode, argument):
    """Do what is ordered."""
    order = json.loads(argument)
    if mode == "hold":
        _runner(order)(json.dumps(order["setup"]))
        return
    word, _, job = _whole(order).partition(b"\n")
    printed = os.dup(1)
    try:
        _give(job)
        answer = os.open(os.path.join(ROOT, "answer"), os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        os.dup2(answer, 1)
        run = _runner(order)
    except Exception as error:
        _write(printed, b"\nunderstudy %b trouble %b\n" % (word, "{}: {}".format(type(error).__name__, error).encode()))
        return
    run(json.dumps(order["setup"]))
    # The program may have printed something too, and left its line open; the answer ends with a line end of its own.
    _write(printed, b"\nunderstudy %b ok %d\n" % (word, max(0, os.fstat(answer).st_size - 1)))
    _write(printed, os.pread(answer, order["first"], 0) + b"\n")


def _whole(order):
    """The word and the job."""
    if order["job"] is None:
        return base64.b64decode(sys.stdin.buffer.read())
    path = os.path.join(ROOT, order["job"])
    with open(path, "rb") as file:
        whole = file.read()
    os.unlink(path)
    return whole


def _give(job):
    """The runner reads its job, behind its length, from descriptor 0."""
    descriptor = os.memfd_create("job")
    _write(descriptor, len(job).to_bytes(8, "big") + job)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.dup2(descriptor, 0)
    os.close(descriptor)


def _runner(order):
    """The runner's main function, in a process that is shut in. Nothing of this file's is left for a guest to find."""
    if order["site"]:
        os.symlink(order["site"], os.path.join(ROOT, "guest", "site"))
    own = [os.path.join(ROOT, "guest", "runner"), os.path.dirname(os.path.abspath(__file__))]
    sys.path[:0] = own
    import kernel
    import main as runner
    import shut

    del sys.path[: len(own)]
    for name in ("kernel", "main", "shut"):
        del sys.modules[name]
    writable = order["setup"]["folders"]
    shut.shut_in(kernel, writable)
    runnable, readable = _runnable(order), [*writable, *(_WANTED_BY_PACKAGES if order["site"] else ())]
    modules_of = runner.own_modules

    def own_modules():
        """The runner's modules; among the steps by which a program is confined is then one more."""
        modules = modules_of()
        steps = modules[2]
        add = steps.add_confinement

        def add_confinement(calls, *arguments, **named):
            calls.add_python(shut.close_reading, kernel, runnable, readable)
            add(calls, *arguments, **named)

        steps.add_confinement = add_confinement
        return modules

    runner.own_modules = own_modules
    return runner.main


def _runnable(order):
    """What a program may read and execute: its guest, its language's runtime, its packages."""
    runtimes = os.path.join(ROOT, "runtime")
    links = [os.path.realpath(os.path.join(runtimes, name)) for name in os.listdir(runtimes)]
    python = [os.path.realpath(sys.executable), os.path.dirname(os.path.dirname(os.__file__))]
    return [os.path.join(ROOT, "guest"), runtimes, *links, *python, *([order["site"]] if order["site"] else [])]


def _write(descriptor, content):
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


if __name__ == "__main__":
    main(*sys.argv[1:])
    os._exit(0)
