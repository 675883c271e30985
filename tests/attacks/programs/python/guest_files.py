# tries: change the guest, the interpreter or the standard library for later runs
import os
import sys
paths = [sys.executable, os.__file__, os.path.dirname(os.__file__), "/usr/lib", "/lib", "/bin", "/etc", "/", *[path for path in sys.path if path]]
frame = sys._getframe()
while frame:
    paths.append(frame.f_code.co_filename)
    frame = frame.f_back
here = os.path.realpath(".")
for path in sorted(set(paths)):
    if not os.path.exists(path) or os.path.realpath(path) == here:
        continue
    try:
        if os.path.isdir(path):
            open(os.path.join(path, "attack.pth"), "w").write("x")
            print("ESCAPED: wrote below" if not os.path.realpath(path).startswith(("/tmp", here)) and path != "/" else "held: a tmpfs of my own", path)
        else:
            open(path, "ab").close()
            print("ESCAPED: may write", path)
    except OSError as error:
        print("held:", path, error.strerror)
    for change in (lambda: os.chmod(path, 0o777), lambda: os.utime(path)):
        try:
            change()
            print("ESCAPED: changed" if not os.path.realpath(path).startswith(("/tmp", here)) and path not in ("/", "/etc") else "held: my own", path)
        except OSError:
            pass
