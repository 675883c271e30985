# tries: stop or kill its parent
# expect: timed_out succeeded killed failed
# limits: max_execution_time=800
import os
import signal
for number in (signal.SIGSTOP, signal.SIGKILL):
    try:
        os.kill(os.getppid(), number)
        print("held: sent", number)
    except OSError as error:
        print("held:", error)
