# tries: run a program from memory, past a work folder without exec
# expect: succeeded failed killed
import os
import subprocess
import sys
fd = os.memfd_create("program")
with open(os.path.realpath(sys.executable), "rb") as source:
    os.sendfile(fd, source.fileno(), 0, 1 << 27)
try:
    done = subprocess.run(["/proc/self/fd/%d" % fd, "-I", "-S", "-c", "print(open(%r).read())" % inputs["canary"]], pass_fds=(fd,), capture_output=True, timeout=2)
    print("ESCAPED:" if b"canary-" in done.stdout else "held: it ran and saw no more", done.returncode)
except (OSError, subprocess.TimeoutExpired) as error:
    print("held:", error)
