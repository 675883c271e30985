# tries: change the kernel through /proc
for path, text in (
    ("/proc/sys/kernel/core_pattern", "|/tmp/x"),
    ("/proc/sysrq-trigger", "h"),
    ("/proc/sys/kernel/hostname", "owned"),
    ("/proc/sys/vm/overcommit_memory", "1"),
    ("/proc/1/oom_score_adj", "1000"),
    ("/proc/self/uid_map", "0 0 1"),
    ("/proc/sys/fs/binfmt_misc/register", ":x:M::x::/bin/sh:"),
):
    try:
        with open(path, "w") as file:
            file.write(text)
        print("ESCAPED: wrote", path)
    except OSError as error:
        print("held:", path, error.strerror)
