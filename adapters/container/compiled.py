"""Python files compiled ahead of time: an image has nowhere to keep what each start would compile anew."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from adapters.guest.contract import Runtime

__all__ = ["compiled"]

_COMPILE = """
import importlib.util, json, os, py_compile, sys
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
for source, place, folder in json.load(sys.stdin):
    target = os.path.join(folder, importlib.util.cache_from_source(place))
    os.makedirs(os.path.dirname(target), exist_ok=True)
    py_compile.compile(source, target, dfile="/" + place, quiet=2, invalidation_mode=mode)
"""
_TIMEOUT_S = 300
_MOST_AT_ONCE = 4


def compiled(sources: Mapping[str, Path], python: Runtime, folder: Path) -> dict[str, Path]:
    """Where the compiled form of each source belongs, and where it is now. What does not compile has none.

    Args:
        sources: by place inside.
        python: the interpreter.
        folder: where they are kept: those of the last sources, found again while nothing has changed.

    Raises:
        OSError: a file cannot be read or written.
        SubprocessError: the interpreter does not run.
    """
    if not sources:
        return {}
    key = hashlib.sha256(f"{python.program}\0{python.version}".encode())
    for place, source in sorted(sources.items()):
        about = source.stat()
        key.update(f"\0{place}\0{source}\0{about.st_size}\0{about.st_mtime_ns}".encode("utf-8", "surrogateescape"))
    made = folder / key.hexdigest()[:24]
    if not made.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix="making-", dir=folder))
        try:
            _compile(sources, python, making)
            for old in folder.iterdir():
                if old != making:
                    shutil.rmtree(old, ignore_errors=True)
            making.rename(made)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return {path.relative_to(made).as_posix(): path for path in made.rglob("*.pyc")}


def _compile(sources: Mapping[str, Path], python: Runtime, folder: Path) -> None:
    jobs = [(str(source), place, str(folder)) for place, source in sorted(sources.items())]
    count = min(_MOST_AT_ONCE, os.cpu_count() or 1, 1 + len(jobs) // 50)
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(lambda number: _run(jobs[number::count], python), range(count)))


def _run(jobs: Sequence[tuple[str, str, str]], python: Runtime) -> None:
    subprocess.run(
        [python.program, "-s", "-S", "-c", _COMPILE],
        input=json.dumps(jobs).encode("ascii"),
        # Hashes are seeded: the order of a set among the constants would differ from one time to the next.
        env={"PYTHONHASHSEED": "0", "PATH": os.defpath},
        cwd="/",
        capture_output=True,
        check=True,
        timeout=_TIMEOUT_S,
    )
