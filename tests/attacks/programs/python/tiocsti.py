# tries: type into a terminal of the host
import fcntl
import os
for fd in (0, 1, 2, 3):
    try:
        fcntl.ioctl(fd, 0x5412, b"x")
        print("ESCAPED: typed into", fd)
    except OSError as error:
        print("held:", error)
for path in ("/dev/tty", "/dev/pts/0", "/dev/console", "/dev/ptmx"):
    try:
        fd = os.open(path, os.O_RDWR)
        fcntl.ioctl(fd, 0x5412, b"x")
        print("ESCAPED: typed into", path)
    except OSError as error:
        print("held:", error)
