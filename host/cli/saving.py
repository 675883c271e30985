"""What a program leaves, written to the disk of whoever ran it: its files, and what it showed."""

import base64
import tempfile
from pathlib import Path

from host.displays import CHART, TABLE, Display, file_ending
from host.models import ExecutionResult
from host.values import Image

__all__ = ["Saver", "display_title"]

_WORTH_SAVING = ("image/", "text/html", "application/", "video/", "audio/")
_KINDS = {CHART: "chart", TABLE: "table", "image/": "picture", "video/": "video", "audio/": "sound", "": "display"}


class Saver:
    """Writes what results bring, one after the other.

    Args:
        folder: where to. Without one, files are not saved; what was shown and is more than text goes into a temporary
            folder, for it would not be seen otherwise.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._temporary: Path | None = None
        self._number = 0

    def save(self, result: ExecutionResult) -> list[str]:
        """Write the files that came out, and every form of what was shown; a sentence for each.

        A link that stands in the way is replaced, not followed: a program's file names reach no other place.
        """
        place = None if self._folder is None else _Folder(self._folder)
        told = []
        for file in result.files:
            size = f"{len(file.content)} bytes"
            if place is None:
                told.append(f"file  {file.path}: {size}, not saved; --out DIR saves it.")
                continue
            path, trouble = place.write(file.path, file.content)
            told.append(f"file  {file.path}: not saved; {trouble}." if trouble else f"file  {path}: {size}.")
        shown = _displays(result)
        if place is None and any(mime.startswith(_WORTH_SAVING) for display in shown for mime in display.data):
            self._temporary = self._temporary or Path(tempfile.mkdtemp(prefix="understudy-"))
            place = _Folder(self._temporary)
        if place is not None:
            told += [self._save_display(place, display) for display in shown]
        return told

    def _save_display(self, place: "_Folder", display: Display) -> str:
        self._number += 1
        stem = f"display-{self._number}"
        while place.holds(stem):  # a file of the program's own is called so
            stem += "-shown"
        saved: list[Path] = []
        for mime in display.data:
            ending = file_ending(mime)
            twice = any(path.name == f"{stem}.{ending}" for path in saved)
            name = f"{stem}.{len(saved)}.{ending}" if twice else f"{stem}.{ending}"
            path, trouble = place.write(name, display.content(mime))
            if trouble:
                return f"display  {display_title(display)}: not saved; {trouble}."
            saved.append(path)
        first, *others = sorted(saved, key=lambda path: path.suffix != ".png")
        more = f" (also {', '.join(path.name.removeprefix(stem) for path in others)})" if others else ""
        return f"display  {display_title(display)}: {first}{more}"


def display_title(display: Display) -> str:
    """What a display is called, for people: ``chart "Growth" (640 x 480)``."""
    kind = next(name for begin, name in _KINDS.items() if any(mime.startswith(begin) for mime in display.data))
    named = f'{kind} "{display.title}"' if display.title else kind
    return f"{named} ({display.width_px} x {display.height_px})" if display.width_px and display.height_px else named


def _displays(result: ExecutionResult) -> tuple[Display, ...]:
    """What was shown, and the value where that is a picture."""
    if not isinstance(result.value, Image):
        return result.displays
    try:
        value = Display(data={result.value.mime: base64.b64encode(result.value.data).decode("ascii")})
    except ValueError:  # what a program calls a MIME type may be none
        return result.displays
    return (*result.displays, value)


class _Folder:
    """A folder that is written to. No two things of one result are written to one place, whatever the file system takes
    for one name.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._written: dict[tuple[int, int], str] = {}

    def holds(self, stem: str) -> bool:
        """Whether a file was written whose name begins with ``stem`` and a dot."""
        return any(name.startswith(stem + ".") for name in self._written.values())

    def write(self, name: str, content: bytes) -> tuple[Path, str]:
        """Write one file. Where it went, and why not, or ""."""
        path = self._root.joinpath(*name.split("/"))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.parent.resolve().is_relative_to(self._root.resolve()):
                return path, f"a link leads out of {self._root}"
            other = self._same(path)
            if other is not None:
                return path, f"to this file system it has the name of {other!r}"
            path.unlink(missing_ok=True)
            with path.open("xb") as file:
                file.write(content)
            about = path.stat()
        except OSError as error:
            return path, (error.strerror or str(error)).lower()
        self._written[about.st_dev, about.st_ino] = name
        return path, ""

    def _same(self, path: Path) -> str | None:
        """What was written to this place under another name: differences of case, or of composed characters."""
        try:
            about = path.lstat()
        except FileNotFoundError:
            return None
        return self._written.get((about.st_dev, about.st_ino))
