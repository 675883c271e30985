"""Processes of a run that lost its bubblewrap before the launcher was known.

Bubblewrap's child waits until its parent has set it up. If the parent is killed in that moment, the child waits for
ever, with nothing of the caller's in it. Each run carries a label in its arguments, by which such a child is found.
"""

import contextlib
import os
import signal

__all__ = ["find_strays", "kill_strays"]

_PROGRAMS = {b"/guest/launcher/launcher.pyc", b"/guest/launcher/forker.pyc"}


def find_strays(label: str) -> list[int]:
    """The processes whose arguments have ``label`` in them and begin as a sandbox's do."""
    wanted = label.encode()
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - hundreds of names
        if not name.isdecimal() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:  # noqa: PTH123
                parts = file.read().split(b"\0")
        except OSError:  # it ended meanwhile, or is not ours to look at
            continue
        if not _PROGRAMS.isdisjoint(parts) and any(part.startswith(wanted) for part in parts[-2:]):
            found.append(int(name))
    return found


def kill_strays(label: str) -> list[int]:
    """Kill them. Returns a handle for each that lived: readable when the process has ended, and to be closed."""
    handles = []
    for pid in find_strays(label):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            handle = os.pidfd_open(pid)
            try:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            except OSError:
                os.close(handle)
                raise
            handles.append(handle)
    return handles
