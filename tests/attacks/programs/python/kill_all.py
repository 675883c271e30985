# tries: kill every process that it may
# expect: succeeded failed killed
import os
try:
    os.kill(-1, 9)
    print("held: only my own")
except OSError as error:
    print("held:", error)
