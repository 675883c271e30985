"""All that descends from this process: what it uses together, and its end.

The runner adopts what its descendants leave behind, so everything that a program started is found from here, daemons in
sessions of their own included. Runs inside a wall: standard library only, Python 3.9 to 3.15.
"""

import _signal
import os

_TICK_US = 1000000 // os.sysconf("SC_CLK_TCK")
_IS_EXITING = 0x4
_MEMORY = ("RssAnon:", "RssShmem:", "VmSwap:", "VmPTE:")


def descendants():
    """Process ids of all that descend from this process, zombies included."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = _stat(name)
            if fields:
                children.setdefault(int(fields[1]), []).append(int(name))
    found, waiting = [], [os.getpid()]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def ends(pid):
    """Whether a process is about to end, is dead, or is gone."""
    fields = _stat(pid)
    return not fields or fields[0] in (b"Z", b"X", b"x") or int(fields[6]) & _IS_EXITING != 0


def use(pids):
    """Memory in bytes, CPU time in microseconds, and threads of some processes; children that these buried included."""
    memory = threads = cpu_us = 0
    for pid in pids:
        fields = _stat(pid)
        try:
            with open("/proc/{}/status".format(pid)) as status:
                for line in status:
                    if line.startswith(_MEMORY):
                        memory += int(line.split()[1]) << 10
                    elif line.startswith("Threads:"):
                        threads += int(line.split()[1])
        except (OSError, ValueError):
            continue
        if fields:
            cpu_us += sum(map(int, fields[11:15])) * _TICK_US
    return memory, cpu_us, threads


def bury(pid):
    """The wait status of that child once it has ended, else None; and bury what else has ended meanwhile."""
    status = None
    while True:
        try:
            ended, how = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status
        if ended == 0:
            return status
        if ended == pid:
            status = how


def end_all():
    """End every descendant and wait until there is none. What forks as fast as it is killed is stopped first."""
    while True:
        left = descendants()
        if not left:
            return
        for number in (_signal.SIGSTOP, _signal.SIGKILL):
            for pid in left:
                try:
                    os.kill(pid, number)
                except OSError:
                    pass
        for pid in left:
            try:
                os.waitpid(pid, 0)
            except ChildProcessError:  # it falls to this process when its parent is buried
                pass


def _stat(pid):
    """The fields of /proc/PID/stat after the name: state, parent ..."""
    try:
        with open("/proc/{}/stat".format(pid), "rb") as file:
            return file.read().rpartition(b")")[2].split()
    except OSError:
        return None
