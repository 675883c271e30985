# tries: find any folder but its own that it can write to
import os
own = tuple(os.path.realpath(path) for path in ("/work", "/tmp", "/dev/shm"))
found, seen = [], 0
for folder, below, files in os.walk("/"):
    below[:] = [name for name in below if os.path.join(folder, name) not in ("/proc", *own)]
    if os.path.realpath(folder).startswith(own):
        continue
    seen += 1
    try:
        os.mkdir(folder + "/understudy-was-here")
        found.append(folder)
    except OSError:
        pass
print("ESCAPED: wrote to" if found else "held: folders", found or seen)
