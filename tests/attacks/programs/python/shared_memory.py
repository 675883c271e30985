# tries: leave something in memory that runs share
# runs: 2
import ctypes
import os
libc = ctypes.CDLL(None, use_errno=True)
for folder in ("/dev/shm", "/tmp", "/var/tmp", "/run", "/dev/mqueue", "."):
    path = os.path.join(folder, "attack-mark")
    print("ESCAPED: from another run" if os.path.exists(path) else "held:", folder)
    try:
        open(path, "w").write("x")
    except OSError as error:
        print("held:", error.strerror)
for name, make in (("shm", lambda flags: libc.shmget(0x5EC7E7, 4096, flags)), ("msg", lambda flags: libc.msgget(0x5EC7E7, flags)), ("sem", lambda flags: libc.semget(0x5EC7E7, 1, flags))):
    print("ESCAPED: from another run" if make(0o666) >= 0 else "held:", name)
    print("held: made", make(0o1666))
