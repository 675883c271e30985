# tries: make a device node for the host's disk and open it
import os
import stat
for major, minor, kind in ((254, 0, stat.S_IFBLK), (8, 0, stat.S_IFBLK), (259, 0, stat.S_IFBLK), (1, 1, stat.S_IFCHR), (1, 5, stat.S_IFCHR)):
    try:
        os.mknod("device", kind | 0o666, os.makedev(major, minor))
        os.close(os.open("device", os.O_RDONLY))
        print("ESCAPED: opened device", major, minor)
    except OSError as error:
        print("held:", error.strerror)
    finally:
        if os.path.lexists("device"):
            os.unlink("device")
