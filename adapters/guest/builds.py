"""How guest environments are made: by pip from wheels alone, or copied from the host's own install.

An environment is built in a folder beside its place and moved there when it is whole, so a build that fails changes
nothing.
"""

import base64
import compileall
import contextlib
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import py_compile
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapters.guest.contract import Runtime
from adapters.guest.environments import (
    SQL,
    Environment,
    Environments,
    GuestEnvironmentError,
    checked_name,
    python_tag,
    size_of,
)
from adapters.guest.fonts import list_fonts
from adapters.guest.linked import libraries
from adapters.guest.python.host import find_python

__all__ = ["add", "build", "complete", "ensure_sql"]

_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9._, -]+\])?\s*([<>=!~]=?[^@;/\\]*)?")
_ADDRESS = re.compile(r"\S+://\S+")
_WANTED = "# wanted: "
_PIP_TIMEOUT_S = 900


def add(environments: Environments, name: str, packages: Sequence[str]) -> Environment:
    """Resolve packages beside those that the environment has already, lock them with their hashes, and build.

    Raises:
        GuestEnvironmentError: a name is wrong, no wheel fits, or the package index cannot be reached.
    """
    checked_name(name)
    for package in packages:
        if not _REQUIREMENT.fullmatch(package):
            raise GuestEnvironmentError(
                f"{package!r} is not a package's name.",
                remedy="Give names from the package index, as numpy or 'pandas>=2'; no files and no addresses.",
            )
    with _builder_lock(environments):
        lock = environments.folder / name / "lock.txt"
        before = _wanted(lock)
        asked = {re.split(r"[<>=!~\[\s]", package)[0].lower(): package for package in (*before, *packages)}
        wanted = sorted(asked.values())
        text = _WANTED + " ".join(item.replace(" ", "") for item in wanted) + "\n" + _resolve(name, wanted)
        return _install(environments, name, text)


def build(environments: Environments, name: str) -> Environment:
    """Build an environment from its lock; ``sql`` from the host's own DuckDB.

    Raises:
        GuestEnvironmentError: there is no lock, or a package cannot be had as it is locked.
    """
    if name == SQL:
        with _builder_lock(environments):
            return _copy_duckdb(environments)
    checked_name(name)
    with _builder_lock(environments):
        lock = environments.folder / name / "lock.txt"
        if not lock.is_file():
            raise GuestEnvironmentError(
                f"guest environment `{name}` has no lock.",
                remedy=f"Add it with `understudy guests add {name} PACKAGE...`.",
            )
        return _install(environments, name, lock.read_text("utf-8"))


def ensure_sql(environments: Environments) -> Environment:
    """The environment ``sql``, built if it is missing or of another version than the DuckDB installed now.

    Raises:
        GuestEnvironmentError: DuckDB is not installed, or its files are not those that were installed.
    """
    if _is_current(environments.get(SQL)):
        return environments.get(SQL)
    with _builder_lock(environments):
        current = environments.get(SQL)  # another process may have built it while this one waited
        return current if _is_current(current) else _copy_duckdb(environments)


def _is_current(sql: Environment) -> bool:
    return sql.state == "ready" and sql.packages.get("duckdb") == _duckdb().version


# --- with pip ---------------------------------------------------------------------------------------------------------


def _wanted(lock: Path) -> list[str]:
    if not lock.is_file():
        return []
    first = lock.read_text("utf-8").partition("\n")[0]
    return first.removeprefix(_WANTED).split() if first.startswith(_WANTED) else []


def _resolve(name: str, wanted: Sequence[str]) -> str:
    """The lines of a lock: every package that is needed, its version and the hash of the wheel that fits."""
    said = _pip(
        name,
        "install",
        "--dry-run",
        "--ignore-installed",
        "--only-binary=:all:",
        "--quiet",
        "--report",
        "-",
        "--",
        *wanted,
    )
    try:
        entries = [
            (
                item["metadata"]["name"].lower(),
                item["metadata"]["version"],
                _sha256(item["download_info"]["archive_info"]),
            )
            for item in json.loads(said)["install"]
        ]
        return "".join(f"{package}=={version} --hash=sha256:{digest}\n" for package, version, digest in sorted(entries))
    except (ValueError, KeyError, TypeError) as error:
        raise GuestEnvironmentError(
            f"pip's report on {', '.join(wanted)} cannot be read: {error!r}.",
            remedy="Upgrade pip: python -m pip install -U pip",
        ) from error


def _sha256(archive: Mapping[str, Any]) -> str:
    """The hash in a report of pip; before pip 23.1 it is one text, ``sha256=...``."""
    if "hashes" in archive:
        digest: str = archive["hashes"]["sha256"]
        return digest
    kind, _, digest = archive["hash"].partition("=")
    if kind != "sha256":
        raise KeyError("sha256")
    return digest


def _install(environments: Environments, name: str, lock_text: str) -> Environment:
    packages = dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", lock_text, re.MULTILINE))
    with _building(environments, name) as folder:
        lock = folder / "lock.txt"
        lock.write_text(lock_text, "utf-8")
        library = folder / "lib"
        library.mkdir()
        if packages:
            options = ("--require-hashes", "--no-deps", "--only-binary=:all:", "--quiet", "--no-warn-script-location")
            _pip(name, "install", *options, "--target", str(library), "-r", str(lock))
            shutil.rmtree(library / "bin", ignore_errors=True)
        compileall.compile_dir(library, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
        complete(folder, packages, "lock")
    return environments.get(name)


def _pip(name: str, *arguments: str) -> str:
    command = [_python_with_pip(), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PIP_TIMEOUT_S, check=False, umask=0o022)
    except subprocess.TimeoutExpired:
        raise GuestEnvironmentError(
            f"guest environment `{name}`: pip did not finish in {_PIP_TIMEOUT_S} s.",
            remedy="Try again when the network is better.",
        ) from None
    if done.returncode != 0:
        errors = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        reason = " ".join(errors) or done.stderr.strip()[-400:] or f"pip ended with code {done.returncode}"
        raise GuestEnvironmentError(
            f"guest environment `{name}`: {_ADDRESS.sub('(address)', reason)[:1000]}",
            remedy="Check the package's name, that it has a wheel for this Python, and that the index can be reached.",
        )
    return done.stdout


def _python_with_pip() -> str:
    if importlib.util.find_spec("pip") is not None:
        return sys.executable
    raise GuestEnvironmentError(
        "pip is not installed beside this product.", remedy=f"Install it: {sys.executable} -m ensurepip"
    )


# --- from the host's own install --------------------------------------------------------------------------------------


def _duckdb() -> importlib.metadata.Distribution:
    try:
        return importlib.metadata.distribution("duckdb")
    except importlib.metadata.PackageNotFoundError:
        raise GuestEnvironmentError(
            "guest environment `sql`: DuckDB is not installed beside this product.",
            remedy=f"{sys.executable} -m pip install duckdb",
        ) from None


def _copy_duckdb(environments: Environments) -> Environment:
    found = _duckdb()
    with _building(environments, SQL) as folder:
        library = folder / "lib"
        library.mkdir()
        lines = []
        for file in found.files or ():
            if file.hash is None or ".." in file.parts or file.suffix == ".pyc":
                continue  # the record of the install itself, scripts beside the library, what Python compiled
            digest = _copy(Path(str(file.locate())), library / file)
            if file.hash.mode != "sha256" or digest != file.hash.value:
                raise GuestEnvironmentError(
                    f"guest environment `sql`: {file} of duckdb {found.version} is not as it was installed.",
                    remedy=f"Install it anew: pip install --force-reinstall duckdb=={found.version}",
                )
            lines.append(f"# {file} sha256={digest}\n")
        (folder / "lock.txt").write_text(
            f"# copied from the host's own install\n# duckdb=={found.version}\n{''.join(lines)}", "utf-8"
        )
        complete(folder, {"duckdb": found.version}, "host")
    return environments.get(SQL)


def _copy(source: Path, target: Path) -> str:
    """Copy one file; its SHA-256 as the record of an install writes it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with source.open("rb") as reader, target.open("xb") as writer:
        while piece := reader.read(1 << 20):
            digest.update(piece)
            writer.write(piece)
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode("ascii")


# --- both -------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _builder_lock(environments: Environments) -> Iterator[None]:
    """One builder at a time, whichever process it is in."""
    try:
        environments.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        handle = os.open(environments.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise GuestEnvironmentError(
            f"guest environments cannot be kept in {environments.folder}: {error.strerror}.",
            remedy="Set state_dir to a folder that this user may write to.",
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        for left in environments.folder.glob(".building-*"):  # of a builder that died
            shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def _building(environments: Environments, name: str) -> Iterator[Path]:
    """A folder to build in; it takes the environment's place when the block ends well."""
    folder = environments.folder / f".building-{name}"
    place = environments.folder / name
    old = environments.folder / f".building-old-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o755)
    try:
        yield folder
        _make_readable(folder)
        if place.exists():
            place.rename(old)
        folder.rename(place)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _make_readable(folder: Path) -> None:
    """The wall runs guests as a user of its own, who must be able to read all of it."""
    for where, _, names in os.walk(folder):
        os.chmod(where, 0o755)
        for name in names:
            path = os.path.join(where, name)
            if not os.path.islink(path):
                os.chmod(path, 0o755 if os.stat(path).st_mode & 0o100 else 0o644)


def complete(folder: Path, packages: Mapping[str, str], source: str) -> None:
    """Make of the packages in ``folder/lib`` an environment: what is made ahead of every run, and the manifest.

    Args:
        folder: the environment's.
        packages: versions by name.
        source: ``lock`` or ``host``.
    """
    library = folder / "lib"
    linked = libraries(*library.rglob("*.so*"))
    outside = {path: inside for path, inside in linked.items() if not path.is_relative_to(folder)}
    runtime = find_python(None, "python")
    if isinstance(runtime, Runtime):
        list_fonts(library, runtime, outside)
    facts = {
        "packages": packages,
        "python": python_tag(),
        "source": source,
        "built_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "size_bytes": size_of(library),
        "libraries": sorted(outside.values()),
    }
    (folder / "manifest.json").write_text(json.dumps(facts, indent=2) + "\n", "utf-8")
