# tries: see processes of the host
import glob
lines = []
for path in glob.glob("/proc/[0-9]*/cmdline"):
    try:
        lines.append(open(path, "rb").read())
    except OSError:
        pass
import os
foreign = [line for line in lines if b"pytest" in line or b"sshd" in line or b"systemd" in line]
print("ESCAPED:" if foreign or os.path.exists("/proc/%d" % inputs["host_pid"]) else "held:", foreign[:3], len(lines))
