# tries: have more processes at a time than the policy allows
# expect: succeeded out_of_memory
import os
import time
started = 0
try:
    for _ in range(500):
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        started += 1
except OSError as error:
    print("held:", error)
print("ESCAPED: started" if started > 32 else "held: started", started)
