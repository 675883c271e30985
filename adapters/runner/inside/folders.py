"""What is in the folders that a program may write to, however it hides it.

Folders are opened from one another and never by their path, so none is too deep to name, and no link leads out. One
that the program has shut is opened by its owner, which this process is too, and shut again. Files that have lost their
name count as long as the program holds them. Runs inside a wall: standard library only, Python 3.9 to 3.15.
"""

import errno
import os
import stat

import tree

DEEPEST = 300
"""Folders within folders. Each takes a descriptor, or two where it was shut."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY
_HANDLE = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
_NAMELESS = " (deleted)"


class Hidden(Exception):
    """There is something that cannot be looked at: folders within folders without end, a process that is shut."""


def names(folders):
    """The lstat of each name below some folders.

    Raises:
        Hidden: not all of them can be looked at.
    """
    for folder in folders:
        opened = [_Opened(folder, None)]
        try:
            while opened:
                name = next(opened[-1].names, None)
                if name is None:
                    opened.pop().close()
                    continue
                try:
                    about = os.lstat(name, dir_fd=opened[-1].descriptor)
                except OSError:  # it is gone
                    continue
                yield about
                if stat.S_ISDIR(about.st_mode):
                    if len(opened) == DEEPEST:
                        raise Hidden
                    opened.append(_Opened(name, opened[-1].descriptor))
        finally:
            while opened:
                opened.pop().close()


def nameless_bytes(folders, pids):
    """How many bytes the files take that were in these folders and that these have open, or in their memory.

    Raises:
        Hidden: one of them cannot be looked into. A program that may not be read makes such a process.
    """
    beginnings = tuple(os.path.realpath(folder) + "/" for folder in folders)
    found = {}
    for pid in pids:
        try:
            for path, key, size in (*_open_files(pid), *_mapped_files(pid)):
                if path.endswith(_NAMELESS) and path.startswith(beginnings):
                    found[key] = max(size, found.get(key, 0))
        except PermissionError:
            if not tree.ends(pid):
                raise Hidden from None
        except OSError:  # it has ended
            pass
    return sum(found.values())


class _Opened:
    """One folder that is looked at; one that is gone is empty."""

    def __init__(self, name, parent):
        self.descriptor, self._shut, self._mode = -1, -1, 0
        self.names = iter(())
        try:
            self._open(name, parent)
            self.names = iter(os.listdir(self.descriptor))
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self.close()
                raise Hidden from None

    def _open(self, name, parent):
        handle = os.open(name, _HANDLE, dir_fd=parent)
        try:
            way = "/proc/self/fd/{}".format(handle)
            mode = stat.S_IMODE(os.fstat(handle).st_mode)
            if os.getuid() and mode & 0o500 != 0o500:
                os.chmod(way, 0o700)
                self._shut, self._mode = handle, mode
            self.descriptor = os.open(way, _FOLDER)
        finally:
            if self._shut < 0:
                os.close(handle)

    def close(self):
        """Leave it as it was."""
        if self._shut >= 0:
            try:
                os.chmod("/proc/self/fd/{}".format(self._shut), self._mode)
            except OSError:  # it is gone
                pass
        for descriptor in (self.descriptor, self._shut):
            if descriptor >= 0:
                os.close(descriptor)


def _open_files(pid):
    """Path, identity and size of what a process has open."""
    folder = "/proc/{}/fd/".format(pid)
    for number in os.listdir(folder):
        try:
            about = os.stat(folder + number)
            yield os.readlink(folder + number), (about.st_dev, about.st_ino), about.st_blocks * 512
        except OSError:  # it was closed
            pass


def _mapped_files(pid):
    """The same of what it has in its memory; as large as the part that it sees."""
    with open("/proc/{}/maps".format(pid), encoding="utf-8", errors="surrogateescape") as maps:
        for line in maps:
            fields = line.rstrip("\n").split(maxsplit=5)
            if len(fields) == 6:
                start, end = (int(part, 16) for part in fields[0].split("-"))
                major, minor = (int(part, 16) for part in fields[3].split(":"))
                yield fields[5], (os.makedev(major, minor), int(fields[4])), end - start
