# tries: io_uring, whose operations pass by a filter of system calls
# expect: succeeded killed
import ctypes
import os
libc = ctypes.CDLL(None, use_errno=True)
fd = libc.syscall(425, 8, ctypes.create_string_buffer(120))
print("ESCAPED: io_uring" if fd >= 0 else "held:", os.strerror(ctypes.get_errno()))
