"""Empty a folder of all that programs have left in it, whatever they did to keep it there.

Nothing of them runs meanwhile, so what was looked at does not change. Folders within folders are taken out and put side
by side, so that their depth does not matter: a path may be longer than any system call takes.

Runs in Lambda: standard library only, Python 3.9 to 3.15.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class Folder:
    """A folder that programs may write to.

    Args:
        path: where it is. Its mode is to stay what it is now.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._mode = stat.S_IMODE(os.stat(path).st_mode)
        self._aside = f".{os.urandom(8).hex()}-"
        self._count = 0

    def empty(self) -> list[str]:
        """Remove all that is in it. Returns what is left of this user's."""
        with suppress(OSError):  # it is somebody else's, who has set its mode for good
            os.chmod(self.path, self._mode)
        top = os.open(self.path, _OPEN)
        try:
            left: list[str] = []
            while names := [name for name in os.listdir(top) if name not in left]:
                left += [name for name in names if not self._remove(top, name)]
            return [name for name in left if os.stat(name, dir_fd=top, follow_symlinks=False).st_uid == os.geteuid()]
        finally:
            os.close(top)

    def _remove(self, top: int, name: str) -> bool:
        try:
            if not _unlink(top, name):
                self._flatten(top, name)
                os.rmdir(name, dir_fd=top)
        except OSError:
            return False
        return True

    def _flatten(self, top: int, name: str) -> None:
        """Remove what is in this folder, and put the folders in it beside it."""
        os.chmod(name, 0o700, dir_fd=top)
        folder = os.open(name, _OPEN, dir_fd=top)
        try:
            for entry in os.listdir(folder):
                if not _unlink(folder, entry):
                    os.chmod(entry, 0o700, dir_fd=folder)  # a folder that moves is written to
                    self._count += 1
                    os.rename(entry, f"{self._aside}{self._count}", src_dir_fd=folder, dst_dir_fd=top)
        finally:
            os.close(folder)


def _unlink(folder: int, name: str) -> bool:
    """Remove a file, or say that it is a folder."""
    try:
        os.unlink(name, dir_fd=folder)
    except IsADirectoryError:
        return False
    return True
