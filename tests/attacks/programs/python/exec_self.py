# tries: replace itself by an interpreter without the guest
# expect: succeeded failed killed
import os
import sys
code = "import os\nprint('held: no guest')\ntry:\n print('ESCAPED:', open(%r).read())\nexcept OSError as e: print('held:', e)" % inputs["canary"]
try:
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", code])
except OSError as error:
    print("held:", error)
