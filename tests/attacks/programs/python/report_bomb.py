# tries: flood the channels of reports from outside the guest's own code
# expect: succeeded failed output_limit timed_out killed out_of_memory
# limits: max_execution_time=1500
import os
held = 0
for fd in range(3, 64):
    try:
        os.set_blocking(fd, False)
        for _ in range(500):
            os.write(fd, b"\x00\x00\xff\xff" + b"x" * 0xFFFF)
    except OSError:
        held += 1
print("held:", held)
