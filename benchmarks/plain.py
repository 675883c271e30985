"""The same program without a wall: on the interpreter that the guests run on, with nothing installed into it."""

import asyncio
import contextlib
import hashlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Outcome", "Plain", "digests", "error_type", "normal"]

_FILE = "program.py"
_ADDRESS = re.compile(r"0x[0-9a-f]{6,16}\b")
_BLANKS = re.compile(r"[ \t]+$", re.MULTILINE)
_ERROR = re.compile(r"([A-Za-z_][\w.]*)(:|$)")
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a program did, in a form that two runs can be compared by.

    Attributes:
        exit_code: None where a signal ended it.
        signal: its name, or "".
        error: the class of the exception that nothing caught, or "".
        stdout, stderr: the text, with the folder of the run, addresses in memory and blanks at line ends taken out.
        files: what it wrote into its folder, path to SHA-256.
    """

    exit_code: int | None
    signal: str
    error: str
    stdout: str
    stderr: str
    files: Mapping[str, str]

    def differs_in(self, other: "Outcome") -> list[str]:
        """The names of the fields that are not the same."""
        return [name for name in self.__slots__ if getattr(self, name) != getattr(other, name)]


class Plain:
    """CPython without a wall.

    Args:
        folder: where its environment, which is empty, and the folders of its runs lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        venv.create(folder / "python", with_pip=False, symlinks=True)
        self._python = folder / "python" / "bin" / "python"

    async def run(self, code: str, files: Mapping[str, bytes], within_s: float) -> Outcome | None:
        """Run a program in a folder of its own; None where it takes longer."""
        with tempfile.TemporaryDirectory(dir=self._folder) as place:
            here = Path(place)
            for name, content in {**files, _FILE: code.encode()}.items():
                (here / name).parent.mkdir(parents=True, exist_ok=True)
                (here / name).write_bytes(content)
            process = await asyncio.create_subprocess_exec(
                self._python,
                *("-E", "-s", _FILE),
                cwd=here,
                env=_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            try:
                out, err = await asyncio.wait_for(process.communicate(), within_s)
            except TimeoutError:
                return None
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
            return _outcome(process.returncode or 0, out, err, here, files)


def _outcome(code: int, out: bytes, err: bytes, here: Path, files: Mapping[str, bytes]) -> Outcome:
    stderr = normal(err.decode("utf-8", "replace"), str(here))
    return Outcome(
        exit_code=code if code >= 0 else None,
        signal=signal.Signals(-code).name if code < 0 else "",
        error=error_type(stderr) if code else "",
        stdout=normal(out.decode("utf-8", "replace"), str(here)),
        stderr=stderr,
        files=digests(
            {
                path.relative_to(here).as_posix(): path.read_bytes()
                for path in here.rglob("*")
                if path.is_file() and not path.is_symlink() and path != here / _FILE
            },
            files,
        ),
    )


def digests(found: Mapping[str, bytes], given: Mapping[str, bytes]) -> dict[str, str]:
    """SHA-256 of the files that are new or changed."""
    return {
        name: hashlib.sha256(content).hexdigest()
        for name, content in sorted(found.items())
        if given.get(name) != content and "__pycache__" not in name
    }


def normal(text: str, here: str) -> str:
    """Text without what differs from run to run and from place to place."""
    text = text.replace(f"{here}/", "").replace(here, "")
    text = text.replace(str(Path(sys.base_prefix)), "").replace(os.path.realpath(sys.base_prefix), "")
    return _BLANKS.sub("", _ADDRESS.sub("0x", text))


def error_type(stderr: str) -> str:
    """The class that the last traceback names; "" where there is none."""
    if "Traceback (most recent call last)" not in stderr and "Error: " not in stderr:
        return ""
    return next((found[1] for line in reversed(stderr.splitlines()) if (found := _ERROR.match(line))), "")
