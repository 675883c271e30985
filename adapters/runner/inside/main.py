"""The runner: runs one program, or the commands of one session, where the host itself cannot reach.

It speaks with the host over its stdin and stdout. Its one argument is its ``setup``, as JSON:

=============== ===================================================================================================
work            the work folder
folders         the folders that a program may write to; what is in them counts
guest           the folder that holds the guests
environment     variables of the runner itself, which what it preloads may want
preload         modules to import before the job comes
contained       whether a container holds memory, processes and files; else the runner watches them
held            whether to end when stdin does: the host holds it open
uid             whom a runner that is root becomes for the program, or null
text            how many bytes the answer may have as one line of text, or null for messages as they come
=============== ===================================================================================================

The job comes as eight bytes of length and JSON; ``job.py`` on the host's side makes it, and bytes in it are base64:

=============== ===================================================================================================
argv            the program and its arguments, or a module and its function
in_process      which of the two
environment     variables
frame           what the guest reads
files           pairs of path and content for the work folder
writable        whether the work folder may be written to
collect         how many files and bytes come out of it, or null
limits          resource limits: number, soft, hard
filter          the seccomp filter
counted         whether its questions are for the runner; see ``quota.py``
deadline_ms     wall-clock time
bounds          output_bytes, cpu_us, memory_bytes, threads, files, file_bytes
session         whether commands follow, each as a job with ``frame``, ``deadline_ms`` and ``bounds`` alone
=============== ===================================================================================================

It may come in two parts: a job without ``frame``, ``files``, ``collect`` and ``deadline_ms``, for which the guest is
started at once and waits, and these four once they are known.

What goes to the host is a row of messages, each a letter, eight bytes of length (big-endian) and a body:

====== ============================================================================================================
R      ready: the job can come. JSON: the versions here
W      the guest waits: the second part can come
X      the program could not be started; the body says why. Nothing of the caller's has run
B      it is about to begin
o e r  a piece of stdout, stderr, or of what the guest reports
E      it has ended, or its command has. JSON: exit_code, signal, cause, out_of_memory, cpu_us, wall_us, peak_bytes, and
       whether its interpreter is alive
F      one output file: two bytes of length, its path, its content
S      one thing in the work folder was not taken; the body says which and why
D      done
====== ============================================================================================================

Runs inside a wall: standard library only, Python 3.9 to 3.15.
"""

import json
import os
import sys


def main(argument):
    """Run one job, or one session, and end."""
    runner, kernel, steps, stream, tree = own_modules()
    setup = json.loads(argument)
    host = os.dup(0)
    forget_environment()
    kernel.hide()
    kernel.adopt_orphans()
    sink = stream.Text(os.dup(1), setup["text"]) if setup["text"] else stream.Line(os.dup(1))
    nothing = os.open("/dev/null", os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    try:
        get_ready(setup)
        sink.tell(b"R", json.dumps({"python": sys.version.split()[0]}).encode())
        sink.flush()
        body = steps.receive(host)
        if body:
            runner.run(json.loads(body), setup, sink, host)
    except runner.HostIsGone:
        pass
    except BaseException as error:
        tree.end_all()
        sink.tell(b"X", steps.words(error))
    tree.end_all()
    sink.close()


def get_ready(setup):
    """Import what the guest will want, in the environment that it expects then."""
    sys.path.insert(0, setup["guest"])
    sys.path.append(setup["guest"] + "/site")
    os.environ.clear()
    os.environ.update(setup["environment"])
    for name in setup["preload"]:
        __import__(name)


def forget_environment():
    """Overwrite the variables that this process was started with: what is forked from it would find them in /proc."""
    try:
        with open("/proc/self/stat", "rb") as file:
            start, end = map(int, file.read().rpartition(b")")[2].split()[47:49])
        with open("/proc/self/mem", "r+b", buffering=0) as memory:
            memory.seek(start)
            memory.write(bytes(end - start))
    except OSError:  # no /proc here
        pass


def own_modules():
    """The files of the runner's folder, which the guests do not see: not on ``sys.path``, not among the modules."""
    before = set(sys.modules)
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import kernel
    import runner
    import steps
    import stream
    import tree

    here = sys.path.pop(0)
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(here):
            del sys.modules[name]
    return runner, kernel, steps, stream, tree


if __name__ == "__main__":
    main(sys.argv[1])
    os._exit(0)
