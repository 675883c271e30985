# tries: make the host hand out one of its own files through a link
import os
for number, target in enumerate((inputs["canary"], "/etc/passwd", "/proc/self/environ", "../" * 40 + inputs["canary"].lstrip("/"))):
    os.symlink(target, "link%d" % number)
os.makedirs("folder")
os.symlink(os.path.dirname(inputs["canary"]), "folder/up")
print("held: left behind")
