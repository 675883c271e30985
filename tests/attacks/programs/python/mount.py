# tries: mount something
# expect: succeeded killed
import ctypes
import os
libc = ctypes.CDLL(None, use_errno=True)
os.makedirs("m", exist_ok=True)
for source, kind, flags in ((b"none", b"tmpfs", 0), (b"proc", b"proc", 0), (b"/", None, 4096), (b"sysfs", b"sysfs", 0), (b"cgroup2", b"cgroup2", 0), (b"/dev/vda", b"ext4", 0), (None, None, 32 | 4096), (b"none", b"overlay", 0), (b"none", b"devpts", 0)):
    done = libc.mount(source, b"m", kind, flags, None)
    print("ESCAPED: mounted" if done == 0 else "held:", kind, os.strerror(ctypes.get_errno()))
print("ESCAPED: remounted" if libc.mount(None, b"/", None, 32, None) == 0 else "held: /", os.strerror(ctypes.get_errno()))
