# tries: speak to another run through locks on files that both see
# runs: 2 at once
# limits: max_execution_time=4000
import fcntl
import os
import time
deadline = time.monotonic() + 1.5
seen = []
while time.monotonic() < deadline:
    for path in (os.__file__, os.path.dirname(os.__file__), "/dev/null"):
        try:
            fd = os.open(path, os.O_RDONLY)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            time.sleep(0.01)
            os.close(fd)
        except BlockingIOError:
            seen.append(path)
        except OSError:
            pass
print("ESCAPED: another run holds locks on" if seen else "held:", sorted(set(seen)))
