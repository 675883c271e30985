# tries: take priority over others
import os
try:
    os.nice(-10)
    print("ESCAPED: niced")
except OSError as error:
    print("held:", error)
try:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
    print("ESCAPED: real-time")
except OSError as error:
    print("held:", error)
try:
    os.setpriority(os.PRIO_PROCESS, inputs["host_pid"], 19)
    print("ESCAPED: slowed the host")
except OSError as error:
    print("held:", error)
