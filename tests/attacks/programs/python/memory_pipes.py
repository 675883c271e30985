# tries: take kernel memory in pipe buffers
# expect: out_of_memory succeeded failed killed
import fcntl
import os
total = 0
try:
    for _ in range(4000):
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        try:
            fcntl.fcntl(writer, 1031, 1 << 20)
        except OSError:
            pass
        try:
            total += os.write(writer, b"x" * (1 << 20))
        except BlockingIOError:
            pass
except OSError as error:
    print("held:", error.strerror)
print("ESCAPED: holds" if total > 256 << 20 else "held: holds", total)
