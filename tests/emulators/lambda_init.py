"""Process 1 of an emulated execution environment or MicroVM: makes its root, starts its program, reaps, ends with it.

Started by `lambda_box.py`, which puts the plan on standard input, as one line of JSON, and holds that pipe open for as
long as the box may live. What happens goes up descriptor ``sys.argv[1]``, a line of JSON each: ``init`` (the process
number of process 1 outside), ``trouble`` (the box could not be set up), ``running``, ``ended`` (exit code and signal).
Standard library only: it runs with nothing of the tests' at hand.
"""

import array
import contextlib
import ctypes
import fcntl
import json
import os
import resource
import select
import signal
import socket
import stat
import sys
import threading

LIBC = ctypes.CDLL(None, use_errno=True)
NEW_MOUNTS, NEW_NAMES, NEW_IPC, NEW_USERS, NEW_PROCESSES, NEW_NETWORK = (
    0x00020000,
    0x04000000,
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
READ_ONLY, NO_SETUID, NO_DEVICES, NO_PROGRAMS, REMOUNT, NO_TIMES, BIND, REC, PRIVATE, RELATIVE_TIMES = (
    1,
    2,
    4,
    8,
    32,
    1024,
    4096,
    16384,
    1 << 18,
    1 << 21,
)
DIE_WITH_PARENT = 1
STATUS = int(sys.argv[1]) if __name__ == "__main__" else -1


def main():
    """Shut in a child, which becomes process 1, and stay outside to end it when the tests let go of the pipe."""
    plan = json.loads(line_of(0))
    root = os.geteuid() == 0
    try:
        namespaces = NEW_MOUNTS | NEW_NAMES | NEW_IPC | NEW_PROCESSES | (NEW_NETWORK if plan["network"] else 0)
        if root:
            check(LIBC.unshare(namespaces), "unshare")
        else:
            uid, gid = os.geteuid(), os.getegid()
            check(LIBC.unshare(namespaces | NEW_USERS), "unshare")
            map_ids(f"0 {uid} 1", f"0 {gid} 1", first=True)
    except OSError as error:
        tell(trouble=str(error))
        return
    child = os.fork()
    if child == 0:
        os.close(0)
        process_one(plan, root)
        os._exit(0)
    if plan["listener"] >= 0:
        os.close(plan["listener"])
    tell(init=child)
    ended = os.pidfd_open(child)
    ready, _, _ = select.select([0, ended], [], [])
    if 0 in ready:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def process_one(plan, root):
    """What process 1 does; where it returns, the kernel kills everything in the box."""
    LIBC.prctl(DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    try:
        make_root(plan)
        if plan["network"]:
            raise_loopback()
        program = start(plan, root)
    except OSError as error:
        tell(trouble=f"{error} ({error.filename})" if error.filename else str(error))
        return
    if plan["listener"] >= 0:
        threading.Thread(target=forward, args=(plan["listener"],), daemon=True).start()
    tell(running=True)
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == program:
            code = os.waitstatus_to_exitcode(status)
            tell(ended=[max(code, -1), -min(code, 0)])
            return


def start(plan, root):
    """Start the program as a user without privileges."""
    child = os.fork()
    if child:
        return child
    try:
        os.setsid()
        for name, limit in plan["limits"].items():
            resource.setrlimit(getattr(resource, name), (limit, limit))
        if root:
            os.setgroups([])
            os.setresgid(plan["gid"], plan["gid"], plan["gid"])
            os.setresuid(plan["uid"], plan["uid"], plan["uid"])
        else:
            check(LIBC.unshare(NEW_USERS), "unshare")
            map_ids(f"{plan['uid']} 0 1", f"{plan['gid']} 0 1", first=False)
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, 0)
        os.closerange(3, 1024)
        os.umask(0o022)
        os.chdir(plan["folder"])
        for number in (signal.SIGPIPE, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.execvpe(plan["program"][0], plan["program"], plan["environment"])
    except OSError as error:
        os.write(2, f"{plan['program'][0]}: {error}\n".encode())
    os._exit(127)


def make_root(plan):
    """A root of its own: what the plan names, read-only, beside its own /proc, a small /dev and a private /tmp."""
    root = plan["root"]
    mount(None, "/", None, REC | PRIVATE)
    mount("tmpfs", root, "tmpfs", NO_SETUID | NO_DEVICES, "mode=755")
    for path, target in plan["links"].items():
        os.makedirs(os.path.dirname(root + path), exist_ok=True)
        os.symlink(target, root + path)
    for path, content in plan["files"].items():
        os.makedirs(os.path.dirname(root + path), exist_ok=True)
        with open(root + path, "w", encoding="utf-8") as file:
            file.write(content)
    for source, path, writable in plan["binds"]:
        bind(source, root + path, writable)
    for path in plan["memory"]:
        os.makedirs(root + path, exist_ok=True)
        mount("tmpfs", root + path, "tmpfs", NO_SETUID | NO_DEVICES, "mode=1777")
    os.makedirs(root + "/proc", exist_ok=True)
    mount("proc", root + "/proc", "proc", NO_SETUID | NO_DEVICES | NO_PROGRAMS)
    os.chdir(root)
    check(LIBC.pivot_root(b".", b"."), "pivot_root")
    check(LIBC.umount2(b".", 2), "umount")
    os.chdir("/")
    mount(None, "/", None, REMOUNT | BIND | READ_ONLY | NO_SETUID | NO_DEVICES)
    hostname = plan["hostname"].encode()
    check(LIBC.sethostname(hostname, len(hostname)), "sethostname")


def bind(source, target, writable):
    """Show a folder, a file or a device of the machine's."""
    mode = os.stat(source).st_mode
    if stat.S_ISDIR(mode):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "a", encoding="utf-8"):
            pass
    mount(source, target, None, BIND | REC)
    if stat.S_ISCHR(mode):
        return
    # In a user namespace the flags that the mount has already may not be lifted.
    kept = os.statvfs(target).f_flag & (READ_ONLY | NO_SETUID | NO_DEVICES | NO_PROGRAMS | NO_TIMES)
    relative = RELATIVE_TIMES if os.statvfs(target).f_flag & 4096 else 0
    mount(None, target, None, REMOUNT | BIND | kept | relative | NO_SETUID | (0 if writable else READ_ONLY))


def mount(source, target, kind, flags, data=None):
    """Mount, or change what is mounted."""
    arguments = [None if text is None else text.encode() for text in (source, target, kind, data)]
    result = LIBC.mount(arguments[0], arguments[1], arguments[2], ctypes.c_ulong(flags), arguments[3])
    check(result, f"mount {target}")


def map_ids(users, groups, *, first):
    """The ids of a new user namespace."""
    if first:
        write("/proc/self/setgroups", "deny")
    write("/proc/self/uid_map", users)
    write("/proc/self/gid_map", groups)


def write(path, text):
    """Write a file of the kernel's in one piece."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def raise_loopback():
    """The loopback device of a new network namespace is down at first."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = array.array("B", b"lo".ljust(16, b"\0") + (0x1 | 0x40).to_bytes(2, sys.byteorder).ljust(24, b"\0"))
        fcntl.ioctl(sock, 0x8914, request, True)  # SIOCSIFFLAGS: IFF_UP | IFF_RUNNING


def forward(listener):
    """Take connections from outside; each names a port of the box and is joined to it."""
    with socket.socket(fileno=listener) as server:
        while True:
            connection, _ = server.accept()
            threading.Thread(target=join, args=(connection,), daemon=True).start()


def join(outer):
    """Join one connection from outside to the port of the box that its first line names."""
    with outer:
        try:
            inner = socket.create_connection(("127.0.0.1", int(line_of(outer.fileno()))), timeout=5)
        except (OSError, ValueError):
            outer.sendall(b"refused\n")
            return
        with inner:
            inner.settimeout(None)
            inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            outer.sendall(b"joined\n")
            up = threading.Thread(target=pump, args=(outer, inner), daemon=True)
            up.start()
            pump(inner, outer)
            up.join()


def pump(source, target):
    """Carry bytes one way until the source has no more."""
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    for end, way in ((target, socket.SHUT_WR), (source, socket.SHUT_RD)):
        with contextlib.suppress(OSError):
            end.shutdown(way)


def line_of(descriptor):
    """Read one line and not a byte more."""
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = os.read(descriptor, 1)
        if not piece:
            break
        line += piece
    return bytes(line)


def tell(**message):
    """Tell the tests what happened."""
    os.write(STATUS, json.dumps(message).encode() + b"\n")


def check(result, what):
    """Raise for a call that failed."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


if __name__ == "__main__":
    main()
