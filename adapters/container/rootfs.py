"""What a guest image holds: the files that a language needs, each at its place, and nothing else.

They are the very files that the local wall shows read-only: the interpreter with its standard library, the shared
libraries, the language's own runtime, the packages of a guest environment, our guests and the runner. There is no shell
that the language does not need, no package manager, no base. What is left out of a standard library is what no program
uses: its own tests, the archive for embedding the interpreter, the wheels of pip.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from adapters.container.compiled import compiled
from adapters.container.digests import Digests
from adapters.guest.contract import Guest, Runtime
from adapters.runner.package import guest_files, runner_files

__all__ = ["MOUNT_POINTS", "Entry", "Layer", "is_ours", "layer", "layers_of"]

MOUNT_POINTS = ("tmp", "work")
"""Empty folders; what a program may write to is mounted there."""

_FORM = b"1"
"""Another number where the same files make another image."""

_PRODUCT = Path(__file__).resolve().parents[2]
_OURS = tuple(_PRODUCT / name for name in ("adapters", "host"))
_LINKED_AT_ROOT = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
_USELESS = ("__pycache__", "_bundled", "idle_test", "test", "tests", "turtledemo")
"""Folders of a standard library; what Python compiled here would not fit there."""
_EMBEDDING = "config-"

Entries = dict[str, "Entry"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in an image.

    Attributes:
        kind: what it is.
        source: where a file's content is, on this machine.
        mode: its permissions.
        target: where a link points.
        made: it was made out of other entries, so the image is told from others without it.
    """

    kind: Literal["file", "folder", "link"]
    source: Path | None = None
    mode: int = 0o755
    target: str = ""
    made: bool = False


@dataclass(frozen=True, slots=True)
class Layer:
    """Things that change together.

    Attributes:
        name: of the folder that it is in the context of a build.
        entries: by place, without the leading slash and in order, so that folders come before what is in them.
    """

    name: str
    entries: Mapping[str, Entry]

    def update(self, key: "hashlib._Hash", digests: Digests) -> None:
        """Add to ``key`` what is in it, whatever it was made of and whenever."""
        key.update(_FORM)
        for place, entry in self.entries.items():
            if not entry.made:
                said = digests.of(entry.source) if entry.source else entry.target
                key.update(f"\0{place}\0{entry.kind}\0{entry.mode:o}\0{said}".encode("utf-8", "surrogateescape"))


def layers_of(guest: Guest, python: Runtime, runtime: Runtime, environment: str, folder: Path) -> tuple[Layer, ...]:
    """All of the image for one language, what changes least first.

    Args:
        guest: the language.
        python: what the runner runs on, and the guests in Python.
        runtime: the language's own.
        environment: the guest environment whose packages are to be in it.
        folder: where compiled files are kept.

    Raises:
        OSError: a file cannot be read or written.
        SubprocessError: the interpreter does not compile.
    """
    brought = guest_files(guest, runtime, environment)
    ours = {path: place for path, place in {**brought, **runner_files()}.items() if is_ours(path)}
    own = {path: place for path, place in runtime.trees.items() if path not in ours and path not in python.trees}
    packages = {path: place for path, place in brought.items() if path not in ours and path not in own}
    masked = {_place(each) for each in (*python.masked, *runtime.masked)}
    layers: list[Layer] = []
    there: set[str] = set()
    for name, trees in (("python", python.trees), ("runtime", own), ("packages", packages), ("guest", ours)):
        found = {place: each for host, inside in trees.items() for place, each in _gathered(host, inside, masked)}
        entries = {place: each for place, each in found.items() if place not in there}
        if name in ("python", "guest"):
            kept = folder / "compiled" / ("python" if name == "python" else f"guest-{guest.language}")
            entries |= _made(entries, python, kept)
        if name == "guest":
            entries |= {place: Entry("folder") for place in MOUNT_POINTS}
        entries |= {place: each for place, each in _links_to(entries).items() if place not in there}
        if entries:
            layers.append(layer(name, entries))
        there |= entries.keys()
    return tuple(layers)


def layer(name: str, entries: Mapping[str, Entry]) -> Layer:
    """A layer of these, with the folders that they are in."""
    whole: Entries = {}
    for place, entry in entries.items():
        for parent in PurePosixPath(place).parents:
            if str(parent) != ".":
                whole.setdefault(str(parent), Entry("folder"))
        whole[place] = entry
    return Layer(name, dict(sorted(whole.items())))


def is_ours(path: Path) -> bool:
    """Whether it is part of this product, not of a runtime."""
    return any(path.is_relative_to(folder) for folder in _OURS)


def _gathered(host: Path, inside: str, masked: set[str]) -> Iterator[tuple[str, Entry]]:
    """A file, or a folder and all in it that is for programs."""
    place = _place(inside)
    if not host.is_dir():
        yield place, _file(host)
        return
    ours, standard = is_ours(host), (host / "lib-dynload").exists()
    yield place, Entry("folder")
    for where, folders, files in os.walk(host):
        below = "/".join(filter(None, (place, os.path.relpath(where, host).removeprefix("."))))
        folders[:] = [
            each
            for each in folders
            if f"{below}/{each}" not in masked
            and not (standard and (each in _USELESS or each.startswith(_EMBEDDING)))
            and not (ours and each == "__pycache__")
        ]
        for name in (*folders, *files):
            path = Path(where, name)
            if path.is_symlink():
                yield f"{below}/{name}", Entry("link", target=str(path.readlink()))
            elif path.is_dir():
                yield f"{below}/{name}", Entry("folder")
            elif path.is_file() and not (ours and path.suffix == ".py"):  # of the host's side
                yield f"{below}/{name}", _file(path)


def _file(path: Path) -> Entry:
    return Entry("file", path.resolve(), 0o755 if os.access(path, os.X_OK) else 0o644)


def _made(entries: Mapping[str, Entry], python: Runtime, folder: Path) -> Entries:
    """The compiled form of what is Python in these entries, for the interpreter that will run it."""
    sources = {
        place: entry.source for place, entry in entries.items() if place.endswith(".py") and entry.source is not None
    }
    return {place: Entry("file", path, 0o644, made=True) for place, path in compiled(sources, python, folder).items()}


def _links_to(entries: Mapping[str, Entry]) -> Entries:
    """/lib -> usr/lib and the like, where this machine has it so and something is there."""
    return {
        name: Entry("link", target=target)
        for name, target in _linked().items()
        if any(place.startswith(f"{target}/") for place in entries)
    }


def _place(inside: str) -> str:
    """A path inside as a place, through the links at the root of this machine, as /lib -> usr/lib."""
    plain = str(PurePosixPath(inside)).lstrip("/")
    first, _, rest = plain.partition("/")
    target = _linked().get(first)
    return f"{target}/{rest}" if target and rest else plain


def _linked() -> Mapping[str, str]:
    links = [Path("/", name) for name in _LINKED_AT_ROOT]
    return {link.name: str(link.readlink()).strip("/") for link in links if link.is_symlink()}
