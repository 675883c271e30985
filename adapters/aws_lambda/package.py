"""The deployment packages: what goes into a function of each language, as a zip that is the same each time.

A package is the handler, the runner, the language's guest and, where the runtime does not bring it, what the guest runs
on: deno, DuckDB, the packages of a guest environment. Those are this machine's; whether they fit is for ``fits.py``.
"""

import hashlib
import io
import json
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from adapters.aws_lambda.inside import __file__ as _inside
from adapters.guest.contract import Guest, Runtime
from adapters.runner.package import guest_files, runner_files
from host.errors import UnderstudyError

__all__ = ["HANDLER", "MOST_UNZIPPED_BYTES", "MOST_ZIPPED_BYTES", "Package", "PackageError", "package"]

HANDLER = "handler.handle"
"""What Lambda calls, as its settings have it."""

MOST_ZIPPED_BYTES = 50 << 20
"""What Lambda takes in a call; a larger one has to go through S3."""

MOST_UNZIPPED_BYTES = 250 << 20

_INSIDE = ("domain", "emptied", "handler", "neighbours")
_OURS = ("/guest/", "/runtime/", "/program.sh")
_NOT_OURS = ("guest/site/", "runtime/deno")  # has a version of its own, and much to read
_LEFT_OUT = (".pyc", ".pyi")
_OLDEST = (1980, 1, 1, 0, 0, 0)
_COMPILE_TIMEOUT_S = 600
_COMPILE = """
import json, py_compile, sys
for source, target, name in json.load(sys.stdin):
    try:
        py_compile.compile(source, target, name, True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    except (py_compile.PyCompileError, ValueError):  # a package's own file for another version of Python
        pass
"""


class PackageError(UnderstudyError):
    """A package cannot be made."""

    type = "package"
    title = "A deployment package cannot be made"


@dataclass(frozen=True)
class Package:
    """What goes into one function.

    Attributes:
        language: as in requests.
        versions: of what is not ours in it, by name.
        files: path in the zip to path here.
    """

    language: str
    versions: Mapping[str, str]
    files: Mapping[str, Path]

    @cached_property
    def fingerprint(self) -> str:
        """Stands for our own files, and for the versions of the others: what is deployed is compared by it."""
        digest = hashlib.sha256(json.dumps([self.language, sorted(self.versions.items())]).encode())
        for name, path in sorted(self.files.items()):
            if not name.startswith(_NOT_OURS):
                digest.update(f"\0{name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()[:16]

    def zipped(self, python: str) -> bytes:
        """The deployment package.

        Args:
            python: the version that it will run on, as "3.13". Where it is this process's own, what is Python is
                compiled: the runner then starts in half the time.

        Raises:
            PackageError: it is larger than Lambda takes.
        """
        with tempfile.TemporaryDirectory(prefix="understudy-package-") as folder:
            files = dict(self.files)
            if python == f"{sys.version_info.major}.{sys.version_info.minor}":
                files.update(_compiled(self.files, Path(folder)))
            size = sum(path.stat().st_size for path in files.values())
            if size >= MOST_UNZIPPED_BYTES:
                raise PackageError(
                    f"the package of {self.language} has {size} bytes, and Lambda takes {MOST_UNZIPPED_BYTES - 1}.",
                    remedy="Name a guest environment with fewer packages.",
                )
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, path in sorted(files.items()):
                    archive.writestr(_entry(name, path), path.read_bytes())
        return buffer.getvalue()


def package(guest: Guest, runtime: Runtime, environment: str = "base") -> Package:
    """The package of a language.

    Args:
        guest: the language's.
        runtime: as it was found on this machine.
        environment: the guest environment whose packages go in, where the language has any.

    Raises:
        ValueError: something that it needs is not on this machine.
    """
    trees = {path: place for path, place in guest_files(guest, runtime, environment).items() if place.startswith(_OURS)}
    files = {f"{name}.py": Path(_inside).with_name(f"{name}.py") for name in _INSIDE}
    for path, place in {**runner_files(), **trees}.items():
        inside = "guest/program.sh" if place == "/program.sh" else place.lstrip("/")
        files.update(_below(path, inside))
    versions = {"environment": environment}
    if runtime.language in ("javascript", "typescript"):  # the other runtimes are Lambda's own
        versions["deno"] = runtime.version
    for path in trees:
        versions.update(_packages(path))
    return Package(guest.language, versions, files)


def _below(path: Path, place: str) -> dict[str, Path]:
    """A file, or all files of a folder that matter over there, by their place."""
    if path.is_file():
        return {place: path}
    found = (each for each in path.rglob("*") if each.is_file() and each.suffix not in _LEFT_OUT)
    ours = place.startswith("runtime/")  # a guest's folder, which has the host's side of it too
    return {f"{place}/{each.relative_to(path)}": each for each in found if not (ours and each.suffix == ".py")}


def _packages(path: Path) -> dict[str, str]:
    """The packages in a folder, with their versions."""
    names = (each.name.removesuffix(".dist-info").partition("-") for each in path.glob("*.dist-info"))
    return {name: version for name, _, version in names}


def _entry(name: str, path: Path) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _OLDEST)
    entry.create_system = 3  # so that the mode counts
    entry.external_attr = (stat.S_IFREG | (0o755 if path.stat().st_mode & 0o100 else 0o644)) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _compiled(files: Mapping[str, Path], folder: Path) -> dict[str, Path]:
    """What is Python, compiled by a process of its own, which makes the same of the same each time."""
    wanted = {}
    for number, (name, path) in enumerate(sorted(files.items())):
        if path.suffix == ".py":
            above, _, own = f"/{name}".rpartition("/")
            place = f"{above}/__pycache__/{own.removesuffix('.py')}.{sys.implementation.cache_tag}.pyc".lstrip("/")
            wanted[place] = (path, folder / f"{number}.pyc", f"/var/task/{name}")
    work = json.dumps([[str(part) for part in parts] for parts in wanted.values()])
    command = [sys.executable, "-I", "-S", "-c", _COMPILE]
    subprocess.run(command, input=work, text=True, timeout=_COMPILE_TIMEOUT_S, check=True, umask=0o022)
    return {place: target for place, (_, target, _) in wanted.items() if target.is_file()}
