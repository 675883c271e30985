# tries: use descriptors that the host left open
import fcntl
import os
import stat
found = 0
for fd in range(3, 4096):
    try:
        status = os.fstat(fd)
    except OSError:
        continue
    found += 1
    flags = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE
    if stat.S_ISDIR(status.st_mode):
        print("ESCAPED: a folder is open at", fd, os.listdir(fd)[:5])
    elif stat.S_ISBLK(status.st_mode):
        print("ESCAPED: a disk is open at", fd)
    elif stat.S_ISREG(status.st_mode) and flags != os.O_RDONLY:
        print("ESCAPED: a file can be written at", fd)
print("held:", found, "open")
