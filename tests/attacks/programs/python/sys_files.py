# tries: read and write /sys and the cgroup tree
import glob
import os
found = [path for path in ("/sys/kernel", "/sys/class", "/sys/fs/cgroup", "/sys/firmware", "/cgroup") if os.path.exists(path) and os.listdir(path)]
print("ESCAPED: sees" if found else "held: none", found)
for path in glob.glob("/sys/fs/cgroup/**/release_agent", recursive=True) + glob.glob("/sys/fs/cgroup/**/memory.max", recursive=True):
    try:
        open(path, "w").write("max")
        print("ESCAPED: wrote", path)
    except OSError:
        pass
