# tries: read and write /sys and the cgroup tree
import glob
import os
found = [path for path in ("/sys/kernel", "/sys/class", "/sys/devices", "/sys/firmware", "/sys/module", "/cgroup") if os.path.exists(path) and os.listdir(path)]
print("ESCAPED: sees" if found else "held: none", found)
own = {line.rpartition(":")[2].strip() for line in open("/proc/self/cgroup")} if os.path.exists("/proc/self/cgroup") else set()
print("ESCAPED: sees where it is in the host's tree" if own - {"/"} else "held: no place in a tree", own)
names = ("release_agent", "memory.max", "memory.limit_in_bytes", "pids.max", "cpu.cfs_quota_us", "cpu.max", "cgroup.procs", "tasks", "devices.allow")
for path in [path for name in names for path in glob.glob("/sys/fs/cgroup/**/" + name, recursive=True)]:
    try:
        with open(path, "w") as file:
            file.write("max")
        print("ESCAPED: wrote", path)
    except OSError:
        pass
for path in glob.glob("/sys/fs/cgroup/**/", recursive=True):
    try:
        os.mkdir(path + "/x")
        print("ESCAPED: made", path)
    except OSError:
        pass
