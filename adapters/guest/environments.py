"""Guest environments: named, locked sets of packages that code may import.

Each is a folder ``<state_dir>/guests/<name>``: ``lib`` (mounted read-only where the guest looks, after the standard
library), ``lock.txt`` (every package with its version and the hash of its file, without any address) and
``manifest.json`` (what was built, for which Python, when). Two are there without anyone adding them: ``base``, which is
empty, and ``sql``, a copy of the DuckDB that was installed and locked with this product.
"""

import json
import os
import re
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from host.errors import UnderstudyError

__all__ = ["BASE", "SITE", "SQL", "Environment", "Environments", "GuestEnvironmentError", "python_tag"]

BASE = "base"
SQL = "sql"
SITE = "/guest/site"
"""Where the packages of an environment are, inside the wall."""

State = Literal["ready", "locked", "stale", "missing"]
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_USUAL = {"data": "matplotlib numpy pandas pillow"}  # what people expect in the environment of a built-in policy


class GuestEnvironmentError(UnderstudyError):
    """A guest environment cannot be listed, resolved or built."""

    type = "guest-environment"
    title = "A guest environment cannot be built"


@dataclass(frozen=True, slots=True)
class Environment:
    """One guest environment as it is now.

    Attributes:
        name: what a policy's ``guest_environment`` calls it.
        state: ready; locked (has a lock but was not built); stale (built for another Python); missing (never added).
        packages: versions by name.
        site: the folder to mount; None where there is nothing to import.
        python: the Python that it was built for, as "3.11".
        size_bytes: of everything in ``site``.
        built_at: when, in UTC.
        libraries: shared libraries of the system that its packages are linked against.
    """

    name: str
    state: State
    packages: dict[str, str] = field(default_factory=dict)
    site: Path | None = None
    python: str = ""
    size_bytes: int = 0
    built_at: str = ""
    libraries: tuple[str, ...] = ()

    @property
    def remedy(self) -> str:
        """How to get ``{package}`` into it, for a program that misses it."""
        if self.name in (BASE, SQL):
            return (
                "Add it with `understudy guests add NAME {package}` and ask for a policy with guest_environment NAME."
            )
        if self.state in ("locked", "stale"):
            return f"Build it with `understudy guests build {self.name}`."
        wanted = _USUAL.get(self.name, "").split() if self.state == "missing" else []
        others = "".join(f" {name}" for name in wanted)
        return f"Add it with `understudy guests add {self.name}{others or ' {package}'}`."

    def as_json(self) -> dict[str, object]:
        """Plain data for ``--json``."""
        return {**asdict(self), "site": str(self.site) if self.site else None}


class Environments:
    """The guest environments of one host.

    Args:
        state_dir: the host's state folder; by default the one that settings name.
    """

    def __init__(self, state_dir: Path | None = None) -> None:
        if state_dir is None:
            from host.settings import load_settings

            state_dir = load_settings().state_dir
        self.folder = state_dir / "guests"
        self._cache: dict[str, tuple[int, Environment]] = {}

    def list(self) -> tuple[Environment, ...]:
        """All environments by name, ``base`` and ``sql`` always among them."""
        names = {BASE, SQL}
        if self.folder.is_dir():
            names |= {path.name for path in self.folder.iterdir() if path.is_dir() and _NAME.fullmatch(path.name)}
        return tuple(self.get(name) for name in sorted(names))

    def get(self, name: str) -> Environment:
        """One environment; its state is ``missing`` where nobody added it. Cheap: called for every run."""
        if name == BASE:
            return Environment(BASE, "ready")
        manifest = self.folder / name / "manifest.json"
        try:
            stamp = manifest.stat().st_mtime_ns
        except OSError:
            return Environment(name, "locked" if (self.folder / name / "lock.txt").is_file() else "missing")
        known = self._cache.get(name)
        if known is None or known[0] != stamp:
            known = self._cache[name] = (stamp, self._read(name, manifest))
        return known[1]

    def _read(self, name: str, manifest: Path) -> Environment:
        try:
            facts = json.loads(manifest.read_bytes())
            built = Environment(
                name=name,
                state="ready",
                packages=dict(facts["packages"]),
                site=self.folder / name / "lib",
                python=facts["python"],
                size_bytes=facts["size_bytes"],
                built_at=facts["built_at"],
                libraries=tuple(path for path in facts["libraries"] if os.path.exists(path)),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise GuestEnvironmentError(
                f"the manifest of guest environment `{name}` cannot be read: {error!r}.",
                remedy=f"Build it anew with `understudy guests build {name}`.",
            ) from error
        if built.python == python_tag() and built.site is not None and built.site.is_dir():
            return built
        return Environment(name, "stale", built.packages, None, built.python, built.size_bytes, built.built_at)


def python_tag() -> str:
    """Major and minor version of the Python that guests run on."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def checked_name(name: str) -> str:
    """``name``, if an environment that an operator adds may have it.

    Raises:
        GuestEnvironmentError: it is malformed, or one of ours.
    """
    if name in (BASE, SQL):
        raise GuestEnvironmentError(
            f"the guest environment `{name}` is built in.", remedy="Choose another name, as `data`."
        )
    if not _NAME.fullmatch(name):
        raise GuestEnvironmentError(
            f"{name!r} cannot name a guest environment.",
            remedy="A name is up to 64 lower-case letters, digits, - and _, and begins with a letter.",
        )
    return name


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(os.lstat(os.path.join(where, name)).st_size for where, _, names in os.walk(folder) for name in names)
