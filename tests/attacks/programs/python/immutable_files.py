# tries: make files that cannot be deleted
import fcntl
import os
fd = os.open("file", os.O_CREAT | os.O_RDWR)
for flags in (0x10, 0x20, 0x30):
    try:
        fcntl.ioctl(fd, 0x40086602, flags.to_bytes(8, "little"))
        print("ESCAPED: immutable")
    except OSError as error:
        print("held:", error)
for name in ("security.capability", "trusted.x", "user.x"):
    try:
        os.setxattr("file", name, b"\x01\x00\x00\x02" + bytes(16))
        print("ESCAPED: set" if name.startswith(("security", "trusted")) else "held: set", name)
    except OSError as error:
        print("held:", name, error.strerror)
