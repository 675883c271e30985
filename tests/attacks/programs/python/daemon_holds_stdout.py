# tries: keep the run open with a child that holds stdout
import os
import time
if os.fork() == 0:
    os.setsid()
    time.sleep(3600)
print("held: the runner waits for nobody")
