# tries: break whoever reads the names of the work folder
import os
names = [b"\xff\xfe\xfd", b"new\nline", b"tab\t", b"-rf", b"*", b"$(id)", b"`id`", b";id", b"a\\b", b"\x1b[2J", b"c:\\x", b"con", b".", "\u202e".encode(), b"x" * 255]
for name in names:
    try:
        with open(os.path.join(b".", name), "wb") as file:
            file.write(b"x")
    except OSError as error:
        print("held:", error)
print("held: left behind")
