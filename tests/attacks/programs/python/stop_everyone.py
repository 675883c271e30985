# tries: stop every process that it may, the launcher too
# expect: timed_out succeeded
# limits: max_execution_time=800
import os
import signal
import time
try:
    os.kill(-1, signal.SIGSTOP)
    os.kill(os.getppid(), signal.SIGSTOP)
except OSError as error:
    print("held:", error)
time.sleep(60)
