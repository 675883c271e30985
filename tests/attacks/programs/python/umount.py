# tries: uncover what a mount hides
# expect: succeeded killed
import ctypes
import os
libc = ctypes.CDLL(None, use_errno=True)
for path in (b".", b"/tmp", b"/usr", b"/lib", b"/dev", b"/proc", b"/"):
    done = libc.umount2(path, 2)
    print("ESCAPED: unmounted" if done == 0 else "held:", path, os.strerror(ctypes.get_errno()))
