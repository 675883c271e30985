# tries: open a file of the host by its handle, past every path
# expect: succeeded killed
import ctypes
import os
import struct
libc = ctypes.CDLL(None, use_errno=True)
name_to, open_by = {"x86_64": (303, 304), "aarch64": (264, 265)}[os.uname().machine]
handle = ctypes.create_string_buffer(struct.pack("Ii", 128, 0) + bytes(128))
mount = ctypes.c_int()
for path in (b"/usr", b"/lib", b".", b"/"):
    libc.syscall(name_to, -100, path, handle, ctypes.byref(mount), 0)
    fd = os.open(path, os.O_RDONLY)
    print("ESCAPED: opened by handle" if libc.syscall(open_by, fd, handle, 0) >= 0 else "held:", os.strerror(ctypes.get_errno()))
