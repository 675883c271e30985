# tries: take memory in many processes, each below the limit
# expect: out_of_memory succeeded failed killed
# limits: max_execution_time=6000
import os
import time
reader, writer = os.pipe()
for _ in range(12):
    try:
        if os.fork() == 0:
            block = bytearray(b"x") * (48 << 20)
            os.write(writer, b"1")
            time.sleep(60)
    except OSError as error:
        print("held:", error)
        break
time.sleep(1.5)
os.set_blocking(reader, False)
try:
    alive = len(os.read(reader, 100))
except BlockingIOError:
    alive = 0
# A child that was ended has written too; what counts is who is left to hold the memory.
for _ in range(12):
    try:
        if os.waitpid(-1, os.WNOHANG)[0]:
            alive -= 1
    except ChildProcessError:
        break
print("ESCAPED: holds" if alive * 48 > 256 else "held: holds", alive * 48, "MiB")
