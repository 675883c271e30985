# tries: make new namespaces
# expect: succeeded killed
import ctypes
import os
libc = ctypes.CDLL(None, use_errno=True)
for name, flag in (("user", 0x10000000), ("mount", 0x20000), ("pid", 0x20000000), ("net", 0x40000000), ("ipc", 0x8000000), ("uts", 0x4000000), ("cgroup", 0x2000000), ("time", 0x80), ("user and mount", 0x10020000)):
    done = libc.unshare(flag)
    print("ESCAPED: new namespace" if done == 0 else "held:", name, os.strerror(ctypes.get_errno()))
