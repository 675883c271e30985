# tries: hold or raise capabilities
# expect: succeeded killed
import ctypes
import os
import struct
libc = ctypes.CDLL(None, use_errno=True)
header = ctypes.create_string_buffer(struct.pack("Ii", 0x20080522, 0))
data = ctypes.create_string_buffer(24)
get, put = {"x86_64": (125, 126), "aarch64": (90, 91)}[os.uname().machine]
libc.syscall(get, header, data)
held = struct.unpack("6I", data.raw)
print("ESCAPED: has capabilities" if any(held) else "held: none", held)
every = ctypes.create_string_buffer(struct.pack("6I", *[0xFFFFFFFF] * 6))
print("ESCAPED: raised" if libc.syscall(put, header, every) == 0 else "held:", os.strerror(ctypes.get_errno()))
print("ESCAPED: ambient" if libc.prctl(47, 2, 21, 0, 0) == 0 else "held:", os.strerror(ctypes.get_errno()))
bounding = [number for number in range(41) if libc.prctl(23, number, 0, 0, 0) == 1]
print("held: bounding set", bounding)
