# tries: become another user
# expect: succeeded killed
import ctypes
import os
for name, change in (("setuid", lambda: os.setuid(0)), ("seteuid", lambda: os.seteuid(0)), ("setresuid", lambda: os.setresuid(0, 0, 0)), ("setgid", lambda: os.setgid(0)), ("setgroups", lambda: os.setgroups([0]))):
    try:
        change()
        print("ESCAPED:", name)
    except OSError as error:
        print("held:", name, error.strerror)
print("ESCAPED: runs as root" if 0 in (os.getuid(), os.geteuid(), os.getgid()) else "held:", os.getuid(), os.getgroups())
libc = ctypes.CDLL(None, use_errno=True)
print("ESCAPED: no_new_privs is off" if libc.prctl(39, 0, 0, 0, 0) != 1 else "held: no_new_privs")
