# tries: use up inodes in every folder that it can write to
import os
made = {}
for folder in (".", "/tmp", "/dev/shm", "/var/tmp", "/run", "/dev", "/"):
    made[folder] = 0
    try:
        for number in range(3000):
            os.close(os.open(os.path.join(folder, "i%d" % number), os.O_CREAT | os.O_WRONLY))
            made[folder] += 1
    except OSError as error:
        print("held:", folder, error.strerror)
print("ESCAPED:" if max(made.values()) >= 3000 else "held:", made)
