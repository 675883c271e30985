# tries: go on working after the limit
# expect: timed_out
# limits: max_execution_time=800
import os
import threading
import time
if os.fork() == 0:
    os.setsid()
while True:
    try:
        open(inputs["canary"], "a").write("ESCAPED")
    except OSError:
        pass
    time.sleep(0.01)
