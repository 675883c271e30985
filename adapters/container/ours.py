"""What an image has of this product: a language's guest and the runner.

It can be told without a look at the machine, so any host can say whether an image fits it, whoever built it.
"""

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path

from adapters.guest import bash, elixir, javascript
from adapters.guest.python.host import PYTHON_FILES
from adapters.guest.sql.host import SQL_FILES
from adapters.runner.package import runner_files

__all__ = ["LANGUAGES", "guest_key", "own_files"]

LANGUAGES = ("python", "sql", "javascript", "typescript", "bash", "elixir")
"""Those that there are images for."""

_BASH, _ELIXIR, _JAVASCRIPT = (Path(str(each.__file__)).parent for each in (bash, elixir, javascript))
_KEY_DIGITS = 16


def own_files(language: str) -> Mapping[Path, str]:
    """Our files that an image of the language has: path here to path inside. Those of Elixir have to be compiled."""
    return {**_guest(language), **runner_files()}


def guest_key(language: str) -> str:
    """What images and hosts have in common that fit each other: the hash of our files."""
    extra = {path: path.name for path in _ELIXIR.glob("*.exs")} if language == "elixir" else {}
    files = {**own_files(language), **extra}
    return _key(tuple(sorted((place, path, path.stat().st_mtime_ns) for path, place in files.items())))


@functools.lru_cache(maxsize=64)
def _key(files: tuple[tuple[str, Path, int], ...]) -> str:
    key = hashlib.sha256()
    for place, path, _ in files:
        key.update(f"{place}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\0".encode())
    return key.hexdigest()[:_KEY_DIGITS]


def _guest(language: str) -> Mapping[Path, str]:
    if language == "python":
        return PYTHON_FILES
    if language == "sql":
        return SQL_FILES
    if language in ("javascript", "typescript"):
        return {path: f"/runtime/javascript/{path.name}" for path in _JAVASCRIPT.glob("*.mjs")}
    if language == "bash":
        return {_BASH / "guest.bash": "/runtime/bash/guest.bash", _BASH / "program.sh": "/program.sh"}
    return {}
