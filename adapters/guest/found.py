"""Remembering which runtimes were found, because looking costs a second that every start would pay.

What was found is trusted again only while every file and folder in it is as it was, and the loader's cache, the search
path and our own code too.
"""

import contextlib
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from adapters.guest import linked
from adapters.guest.contract import Guest, Missing, Runtime

__all__ = ["find"]

_LOADER_CACHE = Path("/etc/ld.so.cache")


def find(guest: Guest, folder: Path) -> Runtime | Missing:
    """What ``guest.find()`` says, or what it said last time where nothing has changed since.

    Args:
        guest: whose runtime is wanted.
        folder: where findings are kept; made where it is missing. What cannot be kept is looked for each time.
    """
    record = folder / f"found-{guest.language}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(record.read_bytes())
        runtime = _runtime(known["runtime"])
        if known["seen"] == _seen(guest, runtime):
            return runtime
    found = guest.find()
    if isinstance(found, Runtime):
        with contextlib.suppress(OSError):
            _keep(record, {"runtime": _plain(found), "seen": _seen(guest, found)})
    return found


def _seen(guest: Guest, runtime: Runtime) -> str:
    """The state of everything that the finding rests on, as one hash.

    Raises:
        OSError: something of it is gone.
    """
    code = [module.__file__ for module in (sys.modules[type(guest).__module__], linked) if module.__file__]
    rests_on = [runtime.program, *runtime.trees, *map(Path, code)]
    state = [os.get_exec_path(), sys.version, _stats([_LOADER_CACHE]) if _LOADER_CACHE.exists() else ""]
    return hashlib.sha256(json.dumps([*state, _stats(rests_on)]).encode()).hexdigest()


def _stats(paths: Iterable[Path]) -> list[tuple[str, int, int, int]]:
    stats = [(path, path.stat()) for path in paths]
    return [(str(path), each.st_ino, each.st_size, each.st_mtime_ns) for path, each in stats]


def _plain(runtime: Runtime) -> dict[str, Any]:
    return {
        "language": runtime.language,
        "version": runtime.version,
        "program": str(runtime.program),
        "trees": {str(path): inside for path, inside in runtime.trees.items()},
        "masked": list(runtime.masked),
    }


def _runtime(plain: dict[str, Any]) -> Runtime:
    trees = {Path(path): inside for path, inside in plain["trees"].items()}
    return Runtime(plain["language"], plain["version"], Path(plain["program"]), trees, tuple(plain["masked"]))


def _keep(record: Path, content: dict[str, Any]) -> None:
    record.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".found-", dir=record.parent)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file)
    Path(name).replace(record)
