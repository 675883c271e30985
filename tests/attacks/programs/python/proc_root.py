# tries: reach the host's files through links below /proc
import glob
import os
held = 0
for link in glob.glob("/proc/*/root") + glob.glob("/proc/*/cwd") + glob.glob("/proc/*/fd/*"):
    try:
        print("ESCAPED:", open(link + inputs["canary"]).read())
    except OSError:
        held += 1
    try:
        if os.path.exists(link + "/etc/shadow"):
            print("ESCAPED: a root of the host at", link)
    except OSError:
        held += 1
print("held:", held)
