# tries: open devices of the host
import os
for name in ("mem", "kmem", "port", "sda", "vda", "nvme0n1", "kvm", "fuse", "net/tun", "loop-control", "loop0", "vsock", "vhost-vsock", "kmsg", "uinput", "mapper/control", "console", "tty1", "snapshot"):
    try:
        os.close(os.open("/dev/" + name, os.O_RDWR))
        print("ESCAPED: opened /dev/" + name)
    except OSError as error:
        print("held:", name, error.strerror)
