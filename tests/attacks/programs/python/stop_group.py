# tries: stop itself and its group, so that a limit of CPU time never comes
# expect: timed_out
# limits: max_execution_time=800
import os
import signal
os.kill(0, signal.SIGSTOP)
import time
time.sleep(60)
