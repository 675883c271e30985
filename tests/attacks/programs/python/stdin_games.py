# tries: read what was meant for the launcher, or wait for input for ever
import os
data = b""
for fd in (0, 3, 4, 5, 6, 7, 8, 9):
    try:
        os.set_blocking(fd, False)
        data += os.read(fd, 65_536)
    except OSError as error:
        print("held:", fd, error.strerror)
print("ESCAPED: read the host's request" if b"allowed_imports" in data or b"ATTACK" in data else "held:", len(data))
