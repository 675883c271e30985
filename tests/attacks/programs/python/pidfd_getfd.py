# tries: take descriptors of other processes
# expect: succeeded killed
import ctypes
import os
libc = ctypes.CDLL(None, use_errno=True)
for pid in {1, os.getppid(), inputs["host_pid"]} - {os.getpid(), 0}:
    handle = libc.syscall(434, pid, 0)
    taken = [number for number in range(16) if handle >= 0 and libc.syscall(438, handle, number, 0) >= 0]
    print("ESCAPED: took" if taken else "held:", pid, taken, os.strerror(ctypes.get_errno()))
