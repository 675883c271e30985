# tries: leave a core file or start the host's core handler
# expect: killed
import os
import resource
try:
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    if hard != 0:
        print("ESCAPED: may dump core", hard, flush=True)
except (OSError, ValueError) as error:
    print("held:", error, flush=True)
os.abort()
