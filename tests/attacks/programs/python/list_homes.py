# tries: list homes and other folders of the host
import os
for path in ("/root", "/home", "/srv", "/mnt", "/media", "/opt", "/boot", "/var/lib", "/var/log", "/etc/ssh", "/run/secrets", "/var/run/secrets"):
    try:
        names = os.listdir(path)
    except OSError as error:
        print("held:", path, error.strerror)
    else:
        print("ESCAPED:" if names else "held: empty", path, names[:5])
