# tries: take memory through every folder that it can write to
# expect: out_of_memory succeeded failed killed
import os
total = 0
for folder in (".", "/tmp", "/dev/shm", "/var/tmp", "/run", "/dev", "/", "/home", "/etc", "/run/lock", "/mnt"):
    try:
        with open(os.path.join(folder, "fill"), "wb", buffering=0) as file:
            for _ in range(64):
                total += file.write(b"x" * (1 << 22))
    except OSError as error:
        print("held:", folder, error.strerror)
print("ESCAPED: wrote" if total > 128 << 20 else "held: wrote", total)
