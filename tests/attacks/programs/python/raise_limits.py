# tries: raise its own limits and those of others
import resource
for name in ("NPROC", "NOFILE", "FSIZE", "CPU", "CORE", "AS", "DATA", "MEMLOCK", "RTPRIO"):
    number = getattr(resource, "RLIMIT_" + name)
    soft, hard = resource.getrlimit(number)
    if hard == resource.RLIM_INFINITY:
        print("held: no such limit here", name)
        continue
    try:
        resource.setrlimit(number, (hard + 1, hard + 1))
        print("ESCAPED: raised", name)
    except (OSError, ValueError) as error:
        print("held:", name, error)
import os
for pid in {1, os.getppid(), inputs["host_pid"]} - {os.getpid(), 0}:
    try:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (16, 16))
        print("ESCAPED: set the limits of", pid)
    except (OSError, ValueError) as error:
        print("held:", error)
