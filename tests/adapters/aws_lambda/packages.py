"""The real deployment packages, put into an emulated Lambda."""

import functools
import io
import sys
import zipfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from adapters.aws_lambda.functions import LANGUAGES, described
from adapters.aws_lambda.package import HANDLER, Package, package
from adapters.guest.catalogue import guests
from adapters.guest.contract import Guest, Missing
from tests.emulators.lambda_service import Lambda

__all__ = ["PREFIX", "changed", "deploy", "found", "zipped"]

PREFIX = "understudy-runner"
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@functools.cache
def _guests(state: Path) -> dict[str, Guest]:
    return {guest.language: guest for guest in guests(state)}


@functools.cache
def found(language: str, state: Path) -> Package | None:
    """The package of a language; None where this machine lacks what goes into it."""
    guest = _guests(state)[language]
    runtime = guest.find()
    return None if isinstance(runtime, Missing) else package(guest, runtime)


@functools.cache
def _zipped(files: tuple[tuple[str, Path], ...]) -> bytes:
    """JavaScript and TypeScript have the same files, and a large one among them."""
    return Package("any", {}, dict(files)).zipped(_PYTHON)


def zipped(language: str, state: Path) -> bytes:
    """The deployment package of a language that this machine has."""
    return _zipped(tuple(sorted(found(language, state).files.items())))


def changed(package: bytes, name: str, source: str) -> bytes:
    """A package in which a file of Python has more source at its end."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(package)) as before, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as after:
        for each in before.infolist():
            if not each.filename.startswith(f"__pycache__/{name}."):
                more = source.encode() if each.filename == f"{name}.py" else b""
                after.writestr(each, before.read(each) + more)
    return buffer.getvalue()


def deploy(service: Lambda, state: Path, languages: Iterable[str] = LANGUAGES, **settings: Any) -> list[str]:
    """Put the functions of some languages into an emulated Lambda; the languages that this machine has."""
    there = [language for language in languages if found(language, state) is not None]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda language: zipped(language, state), set(there) - {"typescript"}))
    for language in there:
        mark = described(language, found(language, state).fingerprint, "base")
        given = {"Timeout": 60, "MemorySize": 1024, "Description": mark, **settings}
        service.add(f"{PREFIX}-{language}", zipped(language, state), HANDLER, **given)
    return there
