"""The command as a user runs it: a process of its own, with a scrubbed environment and a state folder of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

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
    """An environment with nothing of the tester's own in it."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "UNDERSTUDY_STATE_DIR": str(tmp_path / "state"),
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
def needs_sandbox(understudy) -> None:
    """Skip where the local wall is not ready; under CI that is a failure."""
    found = next(each for each in understudy("adapters", "--json").json if each["name"] == "sandbox")
    if not found["ready"]:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"sandbox: {found['reason']} {found['remedy']}")
