"""The work folder: put the request's files in, take the program's files out.

Both run when nothing of the program's is running, so what was looked at cannot change before it is opened. What a
program leaves behind may still be made to hurt its reader: links out, pipes that block, sparse files of terabytes,
folders without end, names that are no text. Only regular files of a decent size and name come out, and no link is ever
followed.

This file is part of the guest: standard library only, Python 3.9 to 3.15.
"""

import os
import stat

__all__ = ["MAX_DEPTH", "MAX_PATH", "collect_files", "write_files"]

MAX_DEPTH = 32
"""Folders within folders from which a file is still taken."""

MAX_PATH = 1024
"""Characters of a path, as in ``host.models.File``."""

_MOST_TOLD = 100


def write_files(root, files):
    """Write ``files``, pairs of relative path and content, below the empty folder ``root``."""
    made = set()
    for path, content in files:
        folder = os.path.dirname(path)
        if folder and folder not in made:
            os.makedirs(os.path.join(root, folder), exist_ok=True)
            made.add(folder)
        descriptor = os.open(os.path.join(root, path), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(descriptor, view) :]
        finally:
            os.close(descriptor)


def collect_files(root, given, max_files, max_bytes, skipped):
    """The files below ``root`` that are new or changed, as pairs of relative path and content, in the order of their
    paths.

    Args:
        root: the work folder.
        given: path to content of what was put in; what is unchanged is not given back.
        max_files: how many files come out at most.
        max_bytes: how many bytes they hold at most, all together. A sparse file counts as long as it looks.
        skipped: called with path and reason for each thing that is not taken, the first hundred of them. A path that
            is not printable comes escaped.
    """
    skipped = _Teller(skipped)
    left = max_bytes
    count = 0
    for path, size in _regular_files(root, skipped):
        known = given.get(path)
        if size > left and known is None:
            skipped(path, "{} bytes are more than is left of {}".format(size, max_bytes))
            continue
        if size > max_bytes:
            skipped(path, "{} bytes are more than {}".format(size, max_bytes))
            continue
        try:
            content = _read(os.path.join(root, path), size)
        except OSError as error:
            skipped(path, "it cannot be read: {}".format(error.strerror))
            continue
        if content == known:
            continue
        if count == max_files:
            skipped(path, "{} files were taken already".format(max_files))
            return
        if len(content) > left:
            skipped(path, "{} bytes are more than is left of {}".format(len(content), max_bytes))
            continue
        count += 1
        left -= len(content)
        yield path, content


class _Teller:
    """Passes on what is not taken: not without end, and nothing that could steer who reads it."""

    def __init__(self, tell):
        self._tell = tell
        self._left = _MOST_TOLD

    def __call__(self, path, reason):
        if self._left:
            self._left -= 1
            self._tell(path if path.isprintable() else ascii(path)[1:-1], reason)


def _regular_files(root, skipped):
    """Path and apparent size of each regular file, depth first, names in order, links not followed."""
    folders = [""]
    while folders:
        folder = folders.pop()
        below = []
        for name, about in _entries(os.path.join(root, folder), folder, skipped):
            path = folder + "/" + name if folder else name
            refusal = _refusal(name, path, about)
            if refusal:
                skipped(path, refusal)
            elif stat.S_ISDIR(about.st_mode):
                below.append(path)
            else:
                yield path, about.st_size
        folders.extend(reversed(below))


def _entries(full, folder, skipped):
    """Name and lstat of each entry of a real folder, in order. A folder without permission is given it: it is ours by
    now.
    """
    try:
        if stat.S_IMODE(os.lstat(full).st_mode) & 0o500 != 0o500:
            os.chmod(full, 0o700)
        with os.scandir(full) as entries:
            return [
                (entry.name, entry.stat(follow_symlinks=False))
                for entry in sorted(entries, key=lambda entry: entry.name)
            ]
    except OSError as error:
        skipped(folder, "it cannot be listed: {}".format(error.strerror))
        return []


def _refusal(name, path, about):
    """Why this entry is left where it is, or None."""
    if stat.S_ISLNK(about.st_mode):
        return "a symbolic link"
    if not stat.S_ISREG(about.st_mode) and not stat.S_ISDIR(about.st_mode):
        return "no regular file"
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    if "\\" in name:
        return "a backslash in its name"
    if any(ord(character) < 32 or 127 <= ord(character) < 160 for character in name):
        return "a control character in its name"
    if len(path) > MAX_PATH or path.count("/") >= MAX_DEPTH:
        return "its path is too long or too deep"
    return None


def _read(full, size):
    """At most ``size`` bytes of a regular file."""
    try:
        descriptor = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except PermissionError:
        os.chmod(full, 0o600)
        descriptor = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(22, "no regular file")
        chunks = []
        while size:
            chunk = os.read(descriptor, min(size, 1 << 20))
            if not chunk:
                break
            chunks.append(chunk)
            size -= len(chunk)
        return b"".join(chunks)
    finally:
        os.close(descriptor)
