# tries: outlive the run in a session of its own
import os
import time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 64)
        time.sleep(3600)
    os._exit(0)
print("held: the runner will look for it")
