# tries: read the host's password file
for path in ("/etc/passwd", "/etc/shadow", "/etc/group", "/etc/ssh/ssh_host_rsa_key", "/etc/machine-id", "/etc/hostname"):
    try:
        text = open(path).read()
    except OSError as error:
        print("held:", path, error.strerror)
        continue
    harmless = "root:" not in text if "passwd" in path else path == "/etc/hostname" and text.strip() != hostname
    print("held:" if harmless else "ESCAPED: read", path, "is not the host's" if harmless else "")
