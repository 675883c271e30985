# tries: make the host block on a FIFO, read a device, or fail on a socket
import os
import socket
import stat
os.mkfifo("fifo")
socket.socket(socket.AF_UNIX).bind("socket")
for name, device in (("zero", (1, 5)), ("random", (1, 9))):
    try:
        os.mknod(name, stat.S_IFCHR | 0o666, os.makedev(*device))
    except OSError as error:
        print("held:", error)
print("held: left behind")
