# tries: set the clock, the host's name, and restart the machine
# expect: succeeded killed
import ctypes
import os
import struct
import time
libc = ctypes.CDLL(None, use_errno=True)
try:
    time.clock_settime(time.CLOCK_REALTIME, time.time() + 0.0001)
    print("ESCAPED: set the clock")
except OSError as error:
    print("held:", error)
print("ESCAPED: adjusted the clock" if libc.settimeofday(struct.pack("qq", int(time.time()), 0), None) == 0 else "held:", os.strerror(ctypes.get_errno()))
print("ESCAPED: renamed the host" if libc.sethostname(b"owned", 5) == 0 else "held:", os.strerror(ctypes.get_errno()))
number = {"x86_64": 169, "aarch64": 142}[os.uname().machine]
print("ESCAPED: reboot" if libc.syscall(number, 0xFEE1DEAD, 672274793, 0, None) == 0 else "held:", os.strerror(ctypes.get_errno()))
