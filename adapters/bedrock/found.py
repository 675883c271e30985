"""What there is in an interpreter's sessions, found out in one of them and remembered: looking takes a second."""

import contextlib
import json
import os
import re
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from host.errors import AdapterError

__all__ = ["Found", "Home", "Memory", "read_home"]

_MARK = "understudy "
_LINKED = ("deno", "node")
_OLDEST_PYTHON = (3, 9)
_OLDEST_BASH = (5, 0)
_PATH = re.compile(r"/[\x21-\x7e]{1,400}")
_VERSION = re.compile(r"\d{1,3}(\.\d{1,4}){1,3}")


@dataclass(frozen=True, slots=True)
class Found:
    """What there is in every session of an interpreter.

    Attributes:
        python: the version of its Python, as "3.12.4".
        machine: the processor, as ``uname -m`` has it.
        tools: deno, node and bash, where they are there: path and what they say of themselves.
        packages: duckdb, numpy and what belongs to it, where they are there: folder and version.
        memory_closed: a program that is shut in cannot reach into the processes of the service beside it.
        writes_closed: it can write nowhere but in its own folders.
    """

    python: str
    machine: str
    tools: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    packages: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    memory_closed: bool = False
    writes_closed: bool = False

    @property
    def links(self) -> dict[str, str]:
        """Programs by their name in the folder of runtimes."""
        return {name: path for name, (path, _) in self.tools.items() if name in _LINKED}

    @property
    def bash_fits(self) -> bool:
        """Whether there is a bash, and new enough."""
        said = self.tools.get("bash", ("", ""))[1]
        return bool(re.fullmatch(r"\d+\.\d+", said)) and tuple(map(int, said.split("."))) >= _OLDEST_BASH

    @property
    def node_strips_types(self) -> bool:
        """Whether its node can take TypeScript."""
        return self.tools.get("node", ("", ""))[1].endswith(" function")

    def site(self, *packages: str) -> str | None:
        """The folder that has all of these packages, if one has."""
        folders = {self.packages[name][0] if name in self.packages else None for name in packages}
        return folders.pop() if len(folders) == 1 else None


@dataclass(frozen=True, slots=True)
class Home:
    """Where everything is in one session.

    Attributes:
        root: the folder of all that is ours.
        program: its Python.
        machine: the processor.
        uid: whom the runner becomes for a program, where it is root.
        found: what looking around in it found; None where it was not asked to look.
    """

    root: str
    program: str
    machine: str
    uid: int | None = None
    found: Found | None = None


def read_home(printed: str) -> Home:
    """What ``inside/prepare.py`` printed.

    Raises:
        AdapterError: it is not what it prints, or its Python is too old.
    """
    lines = [line[len(_MARK) :] for line in printed.splitlines() if line.startswith(_MARK)]
    try:
        said = json.loads(lines[-1])
        version, machine = _checked(_VERSION, said["python"]), str(said["machine"])
        found = _found(said["found"], version, machine) if said["found"] else None
        uid = None if said["uid"] is None else int(said["uid"])
        home = Home(_path(said["root"]), _path(said["program"]), machine, uid, found)
    except (IndexError, ValueError, KeyError, TypeError, AttributeError):
        raise AdapterError(
            f"The session could not be made ready: {printed.strip()[-300:]!a}", may_have_started=False
        ) from None
    if tuple(map(int, version.split(".")[:2])) < _OLDEST_PYTHON:
        raise AdapterError(
            f"The interpreter's Python is {version}; the guests need 3.9.",
            remedy="Set interpreter in [adapters.bedrock] to another one.",
            may_have_started=False,
        )
    return home


def _found(said: Mapping[str, Any], python: str, machine: str) -> Found:
    return Found(
        python=python,
        machine=machine,
        tools={str(name): (_path(tool["path"]), str(tool["said"])[:200]) for name, tool in said["tools"].items()},
        packages={str(name): (_path(folder), str(version)) for name, (folder, version) in said["packages"].items()},
        memory_closed=said["memory_closed"] is True,
        writes_closed=said["writes_closed"] is True,
    )


def _path(text: Any) -> str:
    return _checked(_PATH, text)


def _checked(pattern: re.Pattern[str], text: Any) -> str:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise ValueError(f"{text!r} is none")
    return text


class Memory:
    """What was found in an interpreter, and when a program of which language last ran there: kept in a file.

    Args:
        folder: where; made where it is missing. What cannot be kept is found out anew.
        key: the interpreter and its region.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._path = folder / f"{re.sub(r'[^A-Za-z0-9._-]', '-', key)}.json"
        self.found: Found | None = None
        self.looked_at = 0.0
        self.proved: dict[str, float] = {}
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads(self._path.read_bytes())
            told = kept["found"]
            pairs = {name: {key: tuple(pair) for key, pair in told[name].items()} for name in ("tools", "packages")}
            self.found = Found(**{**told, **pairs})
            self.looked_at = float(kept["looked_at"])
            self.proved = {str(name): float(at) for name, at in kept["proved"].items()}

    def learn(self, found: Found) -> bool:
        """Take what was found just now. Returns whether it is news."""
        is_news = found != self.found
        if is_news:
            self.found, self.proved = found, {}
        self.looked_at = time.time()
        self._keep()
        return is_news

    def prove(self, language: str) -> None:
        """A program of that language has just run there."""
        self.proved[language] = time.time()
        self._keep()

    def is_fresh(self, at: float, within_s: float) -> bool:
        """Whether that was not long ago. A clock that was set back makes nothing fresh."""
        return 0 <= time.time() - at < within_s

    def _keep(self) -> None:
        if self.found is None:
            return
        kept = {"found": asdict(self.found), "looked_at": self.looked_at, "proved": self.proved}
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix=".found-", dir=self._path.parent)
            with os.fdopen(descriptor, "w") as file:
                json.dump(kept, file)
            Path(name).replace(self._path)
