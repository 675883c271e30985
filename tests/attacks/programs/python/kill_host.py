# tries: signal the host's process
import os
for pid in (inputs["host_pid"], os.getppid()):
    try:
        os.kill(pid, 0)
        print("ESCAPED: may signal the host" if pid == inputs["host_pid"] else "held: my own parent")
    except OSError as error:
        print("held:", error)
