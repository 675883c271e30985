# tries: system calls that need no privilege on a careless kernel, or all of it
# expect: succeeded killed
import ctypes
import os
libc = ctypes.CDLL(None, use_errno=True)
blank = ctypes.create_string_buffer(256)
numbers = {"x86_64": {"userfaultfd": (323, 1), "bpf": (321, 0, blank, 120), "perf_event_open": (298, blank, 0, -1, -1, 0), "kcmp": (312, os.getpid(), os.getppid(), 0, 0, 0), "fanotify_init": (300, 0, 0), "quotactl": (179, 0, None, 0, None), "acct": (163, b"acct"), "swapon": (167, b"/", 0), "init_module": (175, blank, 16, b""), "finit_module": (313, 0, b"", 0), "delete_module": (176, b"x", 0), "kexec_load": (246, 0, 0, None, 0), "syslog": (103, 3, blank, 256), "iopl": (172, 3), "ioperm": (173, 0, 1, 1), "vhangup": (153,), "move_pages": (279, 1, 0, None, None, None, 0), "lookup_dcookie": (212, 0, blank, 256), "add_key": (248, b"user", b"a", b"b", 1, -3), "personality": (135, 0x0008)}, "aarch64": {"userfaultfd": (282, 1), "bpf": (280, 0, blank, 120), "perf_event_open": (241, blank, 0, -1, -1, 0), "syslog": (116, 3, blank, 256)}}
for name, arguments in numbers[os.uname().machine].items():
    ctypes.set_errno(0)
    done = libc.syscall(*arguments)
    print("ESCAPED:" if done >= 0 and name not in ("kcmp", "personality") else "held:", name, os.strerror(ctypes.get_errno()))
