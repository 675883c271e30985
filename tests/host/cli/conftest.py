"""The command as a user runs it: a process of its own, with a scrubbed environment and a state folder of its own."""

import contextlib
import io
import json
import logging
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from host.cli.main import run
from host.testing import missing

SANDBOX = {"UNDERSTUDY_ADAPTERS__SANDBOX__ENABLED": "yes"}
COMMAND = [str(Path(sys.executable).with_name("understudy"))]


@dataclass(frozen=True)
class Call:
    """What a call of the command gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def command() -> list[str]:
    """The console script of this environment."""
    return COMMAND


@pytest.fixture
def scrubbed(tmp_path) -> dict[str, str]:
    """An environment with nothing of the tester's own in it.

    The local wall is off: it proves each language at the start, and most of these tests are not about it. ``SANDBOX``
    switches it on.
    """
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "UNDERSTUDY_STATE_DIR": str(tmp_path / "state"),
        "UNDERSTUDY_ADAPTERS__SANDBOX__ENABLED": "no",
    }


@pytest.fixture
def understudy(scrubbed, tmp_path):
    """Call the command: ``understudy("run", "-c", "1 + 1", stdin=..., UNDERSTUDY_LOCALE=...)``."""

    def call(*arguments: str, stdin: str = "", **environ: str) -> Call:
        done = subprocess.run(
            [*COMMAND, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=90,
            env={**scrubbed, **environ},
            cwd=tmp_path,
            check=False,
        )
        return Call(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def here(scrubbed, tmp_path, monkeypatch):
    """Call the command within this process: as ``understudy``, but quicker."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def call(*arguments: str, stdin: str = "", **environ: str) -> Call:
        out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
        with monkeypatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            patch.chdir(tmp_path)
            patch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
            for name, value in {**scrubbed, **environ}.items():
                patch.setenv(name, value)
            code = run(arguments)
            out.flush()
            return Call(code, out.buffer.getvalue().decode("utf-8"), err.getvalue())

    yield call
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.fixture
def live(tmp_path) -> dict[str, str]:
    """The environment in which an installed plugin keeps sessions, and nothing else runs code."""
    folder = tmp_path / "installed"
    info = folder / "live-1.dist-info"
    info.mkdir(parents=True)
    (folder / "live.py").write_text((Path(__file__).parents[1] / "sessions" / "live.py").read_text())
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: live\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[understudy]\nlive = live\n")
    return {
        "PYTHONPATH": str(folder),
        "UNDERSTUDY_ADAPTERS__PREFER": "live",
        "UNDERSTUDY_ADAPTERS__MONTY__ENABLED": "no",
    }


@pytest.fixture(scope="session")
def wall(tmp_path_factory) -> Path:
    """A state folder that knows what this machine has for the local wall. Looking takes seconds, so it is done once.
    Skips where the wall is not ready; under CI that is a failure.
    """
    state = tmp_path_factory.mktemp("wall")
    environment = {"PATH": os.environ["PATH"], "HOME": str(state), "UNDERSTUDY_STATE_DIR": str(state), **SANDBOX}
    said = subprocess.run(
        [*COMMAND, "adapters", "--json"], capture_output=True, env=environment, timeout=90, check=True
    )
    found = next(each for each in json.loads(said.stdout) if each["name"] == "sandbox")
    if not found["ready"]:
        missing(f"sandbox: {found['reason']} {found['remedy']}")
    return state


@pytest.fixture
def sandbox(wall, scrubbed) -> dict[str, str]:
    """The environment that switches the local wall on."""
    known = Path(scrubbed["UNDERSTUDY_STATE_DIR"], "sandbox")
    known.mkdir(parents=True)
    for file in wall.glob("sandbox/found-python.json"):
        shutil.copy(file, known)
    return SANDBOX
