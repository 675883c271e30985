# tries: find a program with the setuid bit that would run as another user
# limits: max_execution_time=8000 max_cpu_time=8000
import os
import stat
found = []
for root, folders, files in os.walk("/"):
    if root == "/proc":
        folders.clear()
        continue
    for name in files:
        try:
            mode = os.lstat(os.path.join(root, name)).st_mode
        except OSError:
            continue
        if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID) and not os.statvfs(root).f_flag & os.ST_NOSUID:
            found.append(os.path.join(root, name))
print("ESCAPED:" if found else "held:", found[:5])
