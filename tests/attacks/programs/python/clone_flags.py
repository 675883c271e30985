# tries: make a user namespace with clone and clone3
# expect: succeeded killed
import ctypes
import os
import platform
import struct
libc = ctypes.CDLL(None, use_errno=True)
number = {"x86_64": 56, "aarch64": 220}[platform.machine()]
for flags in (0x10000000 | 17, 0x20000 | 17, 0x10000000 | 0x20000000 | 17):
    pid = libc.syscall(number, flags, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    print("ESCAPED: cloned" if pid > 0 else "held:", os.strerror(ctypes.get_errno()))
arguments = ctypes.create_string_buffer(struct.pack("11Q", 0x10000000, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0))
pid = libc.syscall(435, arguments, 88)
if pid == 0:
    os._exit(0)
print("ESCAPED: clone3" if pid > 0 else "held:", os.strerror(ctypes.get_errno()))
