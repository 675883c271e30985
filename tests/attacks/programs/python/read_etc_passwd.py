# tries: read the host's password file
for path in ("/etc/passwd", "/etc/shadow", "/etc/group", "/etc/ssh/ssh_host_rsa_key", "/etc/machine-id", "/etc/hostname"):
    try:
        text = open(path).read()
    except OSError as error:
        print("held:", path, error.strerror)
    else:
        print("ESCAPED: read", path) if "root:" in text or "passwd" not in path else print("held:", path, "is not the host's")
