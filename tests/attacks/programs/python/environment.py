# tries: find the host's secrets in its environment and in its own memory
import ctypes
import os
name = "ATTACK_" + "CANARY"
print("ESCAPED: in os.environ" if name in os.environ else "held:", sorted(os.environ))
libc = ctypes.CDLL(None)
pointers = ctypes.cast(libc.environ, ctypes.POINTER(ctypes.c_char_p)) if hasattr(libc, "environ") else []
pattern = name.encode() + b"="
try:
    maps = open("/proc/self/maps").read().splitlines()
    memory = open("/proc/self/mem", "rb", buffering=0)
except OSError as error:
    print("held:", error)
else:
    hits = 0
    for line in maps:
        span, mode, *rest = line.split()
        if "r" not in mode or "[v" in line:
            continue
        low, high = (int(part, 16) for part in span.split("-"))
        if high - low > 64 << 20:
            continue
        try:
            memory.seek(low)
            data = memory.read(high - low)
        except (OSError, OverflowError):
            continue
        position = data.find(pattern)
        while position >= 0:
            if data[position + len(pattern) : position + len(pattern) + 6] == b"secret":
                hits += 1
            position = data.find(pattern, position + 1)
    print("ESCAPED: in memory" if hits else "held: not in memory", hits)
