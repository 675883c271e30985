"""What a box shows of this machine: its interpreter, its programs, the packages of a distribution."""

import functools
import importlib.metadata
import os
import sys
from pathlib import Path

__all__ = ["INTERPRETER", "packages_of", "root_of", "runtime_packages"]

INTERPRETER = f"/var/lang/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32")
_SETTINGS = ("alternatives", "ssl", "pki", "ca-certificates", "ld.so.cache", "localtime", "nsswitch.conf")
_DEVICES = ("null", "zero", "full", "random", "urandom")


def packages_of(name: str) -> list[tuple[str, str]]:
    """Where the packages of a distribution and of all that it requires are, and what they are called."""
    found: dict[str, str] = {}
    waiting = [name]
    while waiting:
        distribution = importlib.metadata.distribution(waiting.pop())
        for file in distribution.files or ():
            top = file.parts[0]
            if not top.endswith((".dist-info", "..")) and top != "__pycache__":
                found[top] = str(distribution.locate_file(top))
        required = (line.split(";")[0].strip() for line in distribution.requires or () if "extra ==" not in line)
        waiting += [each.split("[")[0].rstrip("<>=!~.0123456789, ") for each in required]
    return [(path, top) for top, path in sorted(found.items())]


@functools.cache
def runtime_packages() -> list[tuple[str, str]]:
    """The runtime client of Python functions and what it requires, and where a function finds them."""
    return [(path, f"/var/runtime/{top}") for path, top in packages_of("awslambdaric")]


def root_of(uid: int, gid: int, hostname: str) -> dict:
    """What every box sees: the interpreter as /var/lang, the machine's programs, a small /etc and /dev."""
    base = Path(sys.base_prefix).resolve()
    binds = [(str(base), "/var/lang", False)]
    links = {}
    for path in map(Path, _SYSTEM):
        if path.is_symlink():
            links[str(path)] = os.readlink(path)
        elif path.is_dir():
            binds.append((str(path), str(path), False))
    if not base.is_relative_to("/usr"):  # an interpreter may name the place of its library
        binds.append((str(base), str(base), False))
    binds += [(f"/etc/{name}", f"/etc/{name}", False) for name in _SETTINGS if Path("/etc", name).exists()]
    binds += [(f"/dev/{name}", f"/dev/{name}", True) for name in _DEVICES]
    links |= {"/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0"}
    links |= {"/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2"}
    files = {
        "/etc/passwd": f"root:x:0:0:root:/root:/sbin/nologin\nsbx_user1051:x:{uid}:{gid}::/tmp:/sbin/nologin\n",
        "/etc/group": f"root:x:0:\nsbx_user1051:x:{gid}:\n",
        "/etc/hosts": f"127.0.0.1 localhost {hostname}\n",
        "/etc/hostname": f"{hostname}\n",
    }
    return {"binds": binds, "links": links, "files": files}
