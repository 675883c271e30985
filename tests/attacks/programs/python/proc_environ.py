# tries: read the environment of the host's processes
import glob
seen = 0
for path in glob.glob("/proc/[0-9]*/environ") + ["/proc/self/environ", "/proc/thread-self/environ"]:
    try:
        data = open(path, "rb").read()
    except OSError:
        continue
    seen += 1
    if b"ATTACK_CAN" + b"ARY" in data:
        print("ESCAPED:", path, data[:200])
print("held:", seen, "environments seen")
