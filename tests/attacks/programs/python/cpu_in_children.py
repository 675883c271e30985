# tries: spread CPU time over children
# expect: timed_out
# limits: max_cpu_time=1000 max_execution_time=6000
import os
while True:
    try:
        if os.fork() == 0:
            for _ in range(10**6):
                pass
            os._exit(0)
        os.wait()
    except OSError:
        pass
