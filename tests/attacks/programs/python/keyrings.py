# tries: use the kernel's keyrings, which no namespace divides
# expect: succeeded killed
import ctypes
import os
libc = ctypes.CDLL(None, use_errno=True)
add, request, control = {"x86_64": (248, 249, 250), "aarch64": (217, 218, 219)}[os.uname().machine]
print("ESCAPED: added a key" if libc.syscall(add, b"user", b"attack", b"x", 1, -4) > 0 else "held:", os.strerror(ctypes.get_errno()))
print("ESCAPED: found a key" if libc.syscall(request, b"user", b"attack", None, 0) > 0 else "held:", os.strerror(ctypes.get_errno()))
print("ESCAPED: has a keyring" if libc.syscall(control, 0, -4, 0) > 0 else "held:", os.strerror(ctypes.get_errno()))
