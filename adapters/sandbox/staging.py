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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from adapters.guest import workfolder
from adapters.sandbox.inside import __file__ as _inside
from host.errors import AdapterError

__all__ = ["EMPTY", "GUESTS", "LAUNCHER", "Staged", "remove_unfinished", "stage"]

GUESTS = "/guest"
"""Where the folder shows inside the wall."""

LAUNCHER = f"{GUESTS}/launcher/launcher.pyc"
"""The launcher, inside."""

EMPTY = "launcher/empty"
"""An empty folder within it, to show in place of what must not be seen."""

_LAUNCHER_FILES = {
    "launcher/launcher.py": Path(_inside).parent / "launcher.py",
    "launcher/kernel.py": Path(_inside).parent / "kernel.py",
    "launcher/workfolder.py": Path(workfolder.__file__),
}
_COMPILE = """
import py_compile, sys
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
for path in sys.argv[1:]:
    target = path + "c" if "/launcher/" in path else None
    py_compile.compile(path, cfile=target, doraise=True, invalidation_mode=mode)
"""


@dataclass(frozen=True, slots=True)
class Staged:
    """A folder that is ready, and the trees that are still to be shown on their own."""

    folder: Path
    others: Mapping[Path, str]


def stage(trees: Mapping[Path, str], program: Path, version: str, below: Path) -> Staged:
    """Make the folder for ``trees``, or find it made already.

    Args:
        trees: host path to path inside, of everything that a run is to see.
        program: the interpreter that the launcher and the guests in Python run on.
        version: its version.
        below: where such folders are kept.

    Raises:
        AdapterError: the folder cannot be written or the interpreter does not run.
    """
    files = dict(_LAUNCHER_FILES)
    points: dict[str, bool] = {}
    others: dict[Path, str] = {}
    for host, place in trees.items():
        inside = PurePosixPath(place)
        within = inside.is_relative_to(GUESTS) and str(inside.relative_to(GUESTS))
        if within and host.is_file() and host.suffix == ".py":
            files[within] = host
            continue
        others[host] = place
        if within:
            points[within] = host.is_dir()
    try:
        folder = _made(files, points, program, version, below)
    except (OSError, subprocess.SubprocessError) as error:
        raise AdapterError(
            f"the guests' files cannot be prepared in {below}: {error}",
            remedy="Set state_dir to a folder that this user can write.",
            may_have_started=False,
        ) from error
    return Staged(folder, {folder: GUESTS, **others})


def remove_unfinished(below: Path) -> int:
    """Remove what a host that died while it made a folder left behind."""
    removed = 0
    for folder in below.glob("making-*"):
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)
            removed += 1
    return removed


def _made(files: Mapping[str, Path], points: Mapping[str, bool], program: Path, version: str, below: Path) -> Path:
    key = hashlib.sha256(f"{program}\0{version}\0{sorted(points.items())}".encode())
    for within, source in sorted(files.items()):
        key.update(f"\0{within}\0".encode() + hashlib.sha256(source.read_bytes()).digest())
    place = below / f"guest-{key.hexdigest()[:24]}"
    if place.is_dir():
        return place
    below.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix="making-", dir=below))
    try:
        _fill(making, files, points, program)
        making.rename(place)
    except OSError:
        if not place.is_dir():  # else another host was quicker, and its content is the same
            raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return place


def _fill(making: Path, files: Mapping[str, Path], points: Mapping[str, bool], program: Path) -> None:
    copies = [making / within for within in files]
    for source, copy in zip(files.values(), copies, strict=True):
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
    for within, is_folder in points.items():
        point = making / within
        point.parent.mkdir(parents=True, exist_ok=True)
        if is_folder:
            point.mkdir(exist_ok=True)
        else:
            point.touch()
    subprocess.run([program, "-I", "-S", "-c", _COMPILE, *copies], check=True, timeout=60, capture_output=True)
    (making / EMPTY).mkdir()
    _make_readable(making, making.rglob("*"))


def _make_readable(folder: Path, content: Iterable[Path]) -> None:
    """The user of the sandbox reads this, whatever the umask of the host."""
    for path in (folder, *content):
        os.chmod(path, 0o755 if path.is_dir() else 0o644)  # noqa: PTH101
