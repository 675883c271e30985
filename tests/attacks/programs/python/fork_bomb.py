# tries: fork without end
# expect: succeeded failed timed_out out_of_memory killed
# limits: max_execution_time=1500
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
