# tries: take memory as memfd pages that belong to no mapping
# expect: out_of_memory succeeded failed killed
import os
kept = 0
try:
    for number in range(200):
        fd = os.memfd_create(str(number))
        os.write(fd, b"x" * (1 << 22))
        kept += 4
    print("ESCAPED: holds", kept, "MiB")
except (OSError, MemoryError) as error:
    print("held:", error, kept)
