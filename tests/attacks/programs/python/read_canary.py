# tries: read a file of the host by its path, and through tricks with the path
for path in (inputs["canary"], "/proc/self/root" + inputs["canary"], "/../../../.." + inputs["canary"], "/oldroot" + inputs["canary"], "/newroot/.." + inputs["canary"]):
    try:
        print("ESCAPED:", open(path).read())
    except OSError as error:
        print("held:", error.strerror)
