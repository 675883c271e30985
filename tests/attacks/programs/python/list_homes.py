# tries: list homes and other folders of the host
import os
import sys
shown = set((os.__file__ + os.path.realpath(sys.executable) + sys.prefix).split("/"))  # where the interpreter lies
for path in ("/root", "/home", "/srv", "/mnt", "/media", "/opt", "/boot", "/var/lib", "/var/log", "/etc/ssh", "/run/secrets", "/var/run/secrets"):
    try:
        names = [name for name in os.listdir(path) if name not in shown]
    except OSError as error:
        print("held:", path, error.strerror)
    else:
        print("ESCAPED:" if names else "held: empty", path, names[:5])
