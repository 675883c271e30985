# tries: kill the first process of its namespace
# expect: succeeded killed failed
import os
import signal
for number in (signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL):
    try:
        os.kill(1, number)
        print("held: sent", number)
    except OSError as error:
        print("held:", error)
