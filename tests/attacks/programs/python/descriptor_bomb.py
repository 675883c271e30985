# tries: open descriptors without end
import os
opened = 0
try:
    while opened < 200_000:
        os.dup(1)
        opened += 1
except OSError as error:
    print("held:", error)
print("ESCAPED: opened" if opened >= 100_000 else "held: opened", opened)
