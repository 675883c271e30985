"""The folder that shows as /guest: the launcher and the guests' own files, compiled by the interpreter that runs them.

Start-up counts, and every file shown on its own is one more mount, so what the guests bring as single files is copied
into one folder. It is made once for each set of files and found again by its name, which is the hash of all that went
into it.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from adapters.guest import workfolder
from adapters.runner.inside import __file__ as _shared
from adapters.sandbox.inside import __file__ as _inside
from host.errors import AdapterError

__all__ = ["EMPTY", "GUESTS", "KEEPER", "LAUNCHER", "Staged", "remove_unfinished", "stage"]

GUESTS = "/guest"
"""Where the launcher and the guests show inside the wall."""

LAUNCHER = f"{GUESTS}/launcher/launcher.pyc"
"""The launcher, inside."""

KEEPER = f"{GUESTS}/launcher/keeper.pyc"
"""The keeper, inside."""

EMPTY = "launcher/empty"
"""An empty folder among the guests, to show in place of what must not be seen."""

_INSIDE = Path(_inside).parent
_SHARED = Path(_shared).parent
_LAUNCHER_FILES = {
    f"{GUESTS}/launcher/launcher.py": _INSIDE / "launcher.py",
    f"{GUESTS}/launcher/keeper.py": _INSIDE / "keeper.py",
    f"{GUESTS}/launcher/holders.py": _INSIDE / "holders.py",
    f"{GUESTS}/launcher/kernel.py": _SHARED / "kernel.py",
    f"{GUESTS}/launcher/steps.py": _SHARED / "steps.py",
    f"{GUESTS}/launcher/template.py": _INSIDE / "template.py",
    f"{GUESTS}/launcher/workfolder.py": Path(workfolder.__file__),
}
_CROWD = 3
_COMPILE = """
import py_compile, sys
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
for path in sys.argv[1:]:
    py_compile.compile(path, doraise=True, invalidation_mode=mode)
    if path.endswith(("/launcher/launcher.py", "/launcher/keeper.py")):  # started by path, not imported
        py_compile.compile(path, cfile=path + "c", doraise=True, invalidation_mode=mode)
"""


@dataclass(frozen=True, slots=True)
class Staged:
    """What a run is shown.

    Attributes:
        guests: the host's folder that shows as /guest.
        trees: host path to path inside of everything, that folder included.
    """

    guests: Path
    trees: Mapping[Path, str]


def stage(trees: Mapping[Path, str], program: Path, version: str, below: Path) -> Staged:
    """Make the folders for ``trees``, or find them made already.

    Args:
        trees: host path to path inside, of everything that a run is to see.
        program: the interpreter that the launcher and the guests in Python run on.
        version: its version.
        below: where such folders are kept.

    Raises:
        AdapterError: they cannot be written or the interpreter does not run.
    """
    copied = dict(_LAUNCHER_FILES)
    points: dict[str, bool] = {}
    others: dict[Path, str] = {}
    crowds = _crowds(trees)
    for host, place in trees.items():
        inside = PurePosixPath(place)
        ours = inside.is_relative_to(GUESTS)
        if host.is_file() and (str(inside.parent) in crowds or (ours and host.suffix == ".py")):
            copied[place] = host
            continue
        others[host] = place
        if ours:
            points[place] = host.is_dir()
    try:
        folder = _made(copied, points, program, version, below)
    except (OSError, subprocess.SubprocessError) as error:
        raise AdapterError(
            f"the guests' files cannot be prepared in {below}: {error}",
            remedy="Set state_dir to a folder that this user can write.",
            may_have_started=False,
        ) from error
    shown = {_within(folder, place): place for place in (GUESTS, *sorted(crowds))}
    return Staged(_within(folder, GUESTS), {**shown, **others})


def _crowds(trees: Mapping[Path, str]) -> set[str]:
    """Folders inside from which several single files are shown and which nothing else shows: the shared libraries'."""
    folders = {place for host, place in trees.items() if host.is_dir()}
    count: dict[str, int] = {}
    for host, place in trees.items():
        if host.is_file() and not place.startswith(GUESTS):
            parent = str(PurePosixPath(place).parent)
            count[parent] = count.get(parent, 0) + 1
    return {
        parent
        for parent, files in count.items()
        if files >= _CROWD and not any(_overlap(PurePosixPath(parent), PurePosixPath(folder)) for folder in folders)
    }


def _overlap(one: PurePosixPath, other: PurePosixPath) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


def remove_unfinished(below: Path) -> int:
    """Remove what a host that died while it made a folder left behind."""
    removed = 0
    for folder in below.glob("making-*"):
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)
            removed += 1
    return removed


def _within(folder: Path, place: str) -> Path:
    return folder / place.lstrip("/")


def _made(copied: Mapping[str, Path], points: Mapping[str, bool], program: Path, version: str, below: Path) -> Path:
    key = hashlib.sha256(f"{program}\0{version}\0{sorted(points.items())}".encode())
    for place, source in sorted(copied.items()):
        key.update(f"\0{place}\0{_identity(source)}".encode())
    made = below / f"shown-{key.hexdigest()[:24]}"
    if made.is_dir():
        return made
    below.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix="making-", dir=below))
    try:
        _fill(making, copied, points, program)
        making.rename(made)
    except OSError:
        if not made.is_dir():  # else another host was quicker, and its content is the same
            raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return made


def _identity(source: Path) -> str:
    """What tells one content of a file from another: the hash of our own small files, size and time of libraries."""
    if source.suffix == ".py":
        return hashlib.sha256(source.read_bytes()).hexdigest()
    about = source.stat()
    return f"{source} {about.st_size} {about.st_mtime_ns}"


def _fill(making: Path, copied: Mapping[str, Path], points: Mapping[str, bool], program: Path) -> None:
    for place, source in copied.items():
        copy = _within(making, place)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
        copy.chmod(0o755 if os.access(source, os.X_OK) else 0o644)
    for place, is_folder in points.items():
        point = _within(making, place)
        point.parent.mkdir(parents=True, exist_ok=True)
        if is_folder:
            point.mkdir(exist_ok=True)
        else:
            point.touch()
    sources = [_within(making, place) for place in copied if place.startswith(GUESTS) and place.endswith(".py")]
    subprocess.run([program, "-I", "-S", "-c", _COMPILE, *sources], check=True, timeout=60, capture_output=True)
    (_within(making, GUESTS) / EMPTY).mkdir()
    _make_readable(making)


def _make_readable(folder: Path) -> None:
    """The user of the sandbox reads this, whatever the umask of the host."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else path.stat().st_mode & 0o111 | 0o644)
