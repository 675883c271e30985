# tries: find the host's file anywhere in the tree that it sees
# limits: max_execution_time=8000 max_cpu_time=8000
import os
name = os.path.basename(inputs["canary"])
seen = 0
for root, folders, files in os.walk("/"):
    if root.startswith("/proc/"):
        folders.clear()
    seen += len(files)
    if name in files:
        print("ESCAPED: found", os.path.join(root, name))
print("held: not among", seen, "files")
