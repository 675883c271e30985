# tries: exhaust whoever walks or deletes the work folder
import os
made = 0
try:
    while made < 1000:
        os.mkdir("d" * 200)
        os.chdir("d" * 200)
        made += 1
except OSError as error:
    print("held:", error)
print("held: made", made)
