# tries: start itself with huge arguments and environment
# expect: succeeded failed killed timed_out out_of_memory
import os
import sys
try:
    os.execve(sys.executable, [sys.executable] + ["x" * 100_000] * 1000, {"A": "y" * 100_000})
except OSError as error:
    print("held:", error)
