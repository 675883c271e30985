# tries: sleep past the limit
# expect: timed_out
# limits: max_execution_time=800
import time
time.sleep(3600)
