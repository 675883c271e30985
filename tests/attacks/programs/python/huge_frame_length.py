# tries: announce a report of four gigabytes
# expect: succeeded failed output_limit
import os
for fd in range(3, 64):
    try:
        os.write(fd, b"\xff\xff\xff\xff")
    except OSError:
        pass
print("held: announced")
