"""Starts the bare prototype in bubblewrap and says how many runs a second it makes."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["missing", "rate"]

_PROGRAM = Path(__file__).with_name("prototype.py")
_NOBODY = "64998"
_WALL = (
    *("bwrap", "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"),
    *("--uid", "1000", "--gid", "1000", "--die-with-parent", "--as-pid-1", "--ro-bind", "/usr", "/usr"),
    *("--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--dir", "/tmp"),
)
# Root's own files may be closed to everybody else, and bubblewrap that root starts stays root to the kernel. So what
# the prototype needs is shown below /mnt, in a mount namespace of its own, and an ordinary user starts bubblewrap.
_AS_NOBODY = """
mount -t tmpfs -o mode=755 tmpfs /mnt && mkdir /mnt/python && touch /mnt/prototype.py || exit
mount --rbind "$1" /mnt/python && mount --bind "$2" /mnt/prototype.py || exit
shift 2
exec setpriv --reuid "$NOBODY" --regid "$NOBODY" --clear-groups "$@"
"""


def missing() -> str:
    """Why the prototype cannot be run here, or ""."""
    wanted = ("bwrap", "unshare", "setpriv") if os.geteuid() == 0 else ("bwrap",)
    absent = [name for name in wanted if shutil.which(name) is None]
    return f"not installed: {', '.join(absent)}" if absent else ""


async def rate(seconds: float, processes: int) -> float:
    """Runs a second of ``processes`` forking processes together.

    Raises:
        RuntimeError: it did not run.
    """
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    try:
        process = await asyncio.create_subprocess_exec(
            *_command(seconds, processes, proc),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(proc,),
            env={**os.environ, "NOBODY": _NOBODY},
        )
        out, err = await process.communicate()
    finally:
        os.close(proc)
    if process.returncode != 0 or err:
        raise RuntimeError(f"the bare prototype ended with {process.returncode}: {err.decode(errors='replace')[-400:]}")
    return float(sum(json.loads(out)) / seconds)


def _command(seconds: float, processes: int, proc: int) -> list[str]:
    prefix = os.path.realpath(sys.base_prefix)
    python = f"/python/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    arguments = ["-I", "-S", "/prototype.py", str(seconds), str(processes), str(proc)]
    if os.geteuid() != 0:
        shown = ["--ro-bind", prefix, "/python", "--ro-bind", str(_PROGRAM), "/prototype.py"]
        return [*_WALL, *shown, "--remount-ro", "/", "--", python, *arguments]
    shown = ["--ro-bind", "/mnt/python", "/python", "--ro-bind", "/mnt/prototype.py", "/prototype.py"]
    inner = [*_WALL, *shown, "--remount-ro", "/", "--", python, *arguments]
    apart = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", _AS_NOBODY, "sh"]
    return [*apart, prefix, str(_PROGRAM), *inner]
