# tries: trace its parent and the first process
# expect: succeeded killed
import ctypes
import os
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.restype = ctypes.c_long
for request in (16, 0x4206):
    for pid in {1, os.getppid(), inputs["host_pid"]} - {os.getpid(), 0}:
        done = libc.ptrace(request, pid, None, None)
        print("ESCAPED: traces" if done == 0 else "held:", pid, os.strerror(ctypes.get_errno()))
