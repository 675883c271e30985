# tries: write a file larger than the work folder may be
written = 0
try:
    with open("big", "wb", buffering=0) as file:
        while written < 64 << 20:
            written += file.write(b"x" * (1 << 20))
except OSError as error:
    print("held:", error)
print("ESCAPED: wrote" if written > 8 << 20 else "held: wrote", written)
