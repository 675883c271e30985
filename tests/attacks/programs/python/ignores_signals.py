# tries: ignore every signal that can be ignored
# expect: timed_out
# limits: max_execution_time=800
import signal
import time
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    time.sleep(1)
