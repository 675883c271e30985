# tries: enter namespaces of other processes
# expect: succeeded killed
import ctypes
import glob
import os
libc = ctypes.CDLL(None, use_errno=True)
mine = {kind: os.readlink("/proc/self/ns/" + kind) for kind in (os.listdir("/proc/self/ns") if os.path.exists("/proc/self/ns") else ())}
for path in glob.glob("/proc/[0-9]*/ns/*"):
    try:
        kind, link = os.path.basename(path), os.readlink(path)
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        continue
    if mine.get(kind) != link and libc.setns(fd, 0) == 0:
        print("ESCAPED: entered", path)
for pid in (1, os.getppid(), inputs["host_pid"]):
    fd = libc.syscall(434, pid, 0)
    done = libc.setns(fd, 0x20000) if fd >= 0 else -1
    print("ESCAPED: entered the mounts of" if done == 0 else "held:", pid, os.strerror(ctypes.get_errno()))
