# tries: run a program that it wrote into a folder
# expect: succeeded failed killed
import os
import subprocess
for folder in (".", "/tmp", "/dev/shm", "/var/tmp", "/run"):
    path = os.path.join(os.path.realpath(folder), "program")
    try:
        with open(path, "w") as file:
            file.write("#!/bin/sh\ncat %s\n" % inputs["canary"])
        os.chmod(path, 0o4755)
        done = subprocess.run([path], capture_output=True, timeout=2)
        print("ESCAPED: read" if b"canary-" in done.stdout else "held: ran without harm", folder)
    except (OSError, subprocess.TimeoutExpired) as error:
        print("held:", error)
