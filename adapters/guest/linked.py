"""Which shared libraries a program needs, so that a wall can show those and no more."""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

__all__ = ["libraries"]

_LINE = re.compile(r"^\s*(?:\S+ => )?(/\S+) \(0x[0-9a-f]+\)$", re.MULTILINE)


def libraries(*programs: Path) -> dict[Path, str]:
    """The libraries of some programs and the loader itself, each at the path where the loader looks for it.

    A program that is linked statically, or is a script, has none.
    """
    found: dict[Path, str] = {}
    for batch in _batches(programs):
        said = subprocess.run(["ldd", *batch], capture_output=True, text=True, timeout=60, check=False).stdout
        found.update((Path(path), path) for path in _LINE.findall(said))
    return found


def _batches(programs: Iterable[Path], size: int = 200) -> Iterable[list[str]]:
    names = [str(program) for program in programs]
    return (names[start : start + size] for start in range(0, len(names), size))
