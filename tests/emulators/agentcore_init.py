"""The first process of a session's machine: starts programs, and is the parent of whatever they leave behind.

Run as `python -I -S agentcore_init.py FD`. On the socket FD it takes one message for each program to start,
`{"run": NUMBER, "argv": [...], "cwd": ...}` with the program's stdin, stdout, stderr and a pipe as descriptors, and
writes the exit code into that pipe; `{"kill": NUMBER}` kills one. When the socket closes, everything here is killed,
daemons in sessions of their own too, because orphans become children of this process (PR_SET_CHILD_SUBREAPER).
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import sys

PR_SET_CHILD_SUBREAPER = 36
LONGEST_MESSAGE = 65_536


def become_subreaper():
    """Orphans come to us; where the kernel does not know that, they escape."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def parents():
    """The parent of every process of the machine."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    found[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
            except (OSError, IndexError):
                continue
    return found


def descendants(of):
    """All that descend from a process."""
    by_parent = {}
    for process, parent in parents().items():
        by_parent.setdefault(parent, []).append(process)
    found, left = [], [of]
    while left:
        children = by_parent.get(left.pop(), [])
        found += children
        left += children
    return found


def kill(processes):
    """Stop them all first, so that none of them can start another while they are killed."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for process in processes:
            try:
                os.kill(process, number)
            except ProcessLookupError:
                continue


def started(order, descriptors):
    """Start a program in a session of its own."""
    process = os.fork()
    if process:
        return process
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        for target, descriptor in enumerate(descriptors):
            os.dup2(descriptor, target)
        os.chdir(order["cwd"])
        os.execvpe(order["argv"][0], order["argv"], os.environ)
    except OSError as error:
        os.write(2, f"{order['argv'][0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def reap(running):
    """Tell how programs ended; take leave of orphans."""
    while True:
        try:
            process, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if process == 0:
            return
        for number, (known, pipe) in list(running.items()):
            if known == process:
                code = os.waitstatus_to_exitcode(status)
                with contextlib.suppress(BrokenPipeError):
                    os.write(pipe, b"%d\n" % (code if code >= 0 else 128 - code))
                os.close(pipe)
                del running[number]


def end():
    """Kill all, until there is nobody left."""
    try:
        while True:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
            kill(descendants(os.getpid()))
            os.waitpid(-1, 0)
    except ChildProcessError:
        return


def main():
    """Serve until the socket closes."""
    become_subreaper()
    orders = socket.socket(fileno=int(sys.argv[1]))
    orders.set_inheritable(False)
    wake, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    running = {}
    while True:
        ready, _, _ = select.select([orders, wake], [], [])
        if wake in ready:
            os.read(wake, 512)
        reap(running)
        if orders not in ready:
            continue
        message, descriptors, _, _ = socket.recv_fds(orders, LONGEST_MESSAGE, 4)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        if not message:
            end()
            return
        order = json.loads(message)
        if "kill" in order:
            process, _ = running.get(order["kill"], (None, None))
            if process:
                kill([*descendants(process), process])
            continue
        pipe = descriptors.pop()
        running[order["run"]] = (started(order, descriptors), pipe)
        for descriptor in descriptors:
            os.close(descriptor)


if __name__ == "__main__":
    main()
