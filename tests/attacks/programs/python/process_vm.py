# tries: read and write the memory of its parent
# expect: succeeded killed
import ctypes
import os
class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
libc = ctypes.CDLL(None, use_errno=True)
block = ctypes.create_string_buffer(64)
local = Vector(ctypes.addressof(block), 64)
remote = Vector(id(None), 64)  # a forked child has its parent's addresses
for pid in {1, os.getppid(), inputs["host_pid"]} - {os.getpid(), 0}:
    done = libc.process_vm_readv(pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)
    print("ESCAPED: read" if done > 0 else "held:", pid, os.strerror(ctypes.get_errno()))
    try:
        with open("/proc/%d/mem" % pid, "r+b", buffering=0) as memory:
            memory.seek(id(None))
            memory.read(8)
        print("ESCAPED: opened the memory of", pid)
    except (OSError, ValueError) as error:
        print("held:", error)
