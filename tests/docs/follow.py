"""A page of docs/, followed as a reader does: its commands in a shell's place, its configuration in a file."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["Reader", "blocks", "section"]

DOCS = Path(__file__).resolve().parents[2] / "docs"


def section(page: str, *headings: str) -> str:
    """What stands below a heading of a page, and below one within it."""
    text = (DOCS / page).read_text(encoding="utf-8")
    for depth, heading in enumerate(headings, 2):
        mark = "#" * depth
        text = re.split(rf"^{mark} {re.escape(heading)}$", text, flags=re.M)[1]
        text = re.split(rf"^#{{2,{depth}}} ", text, flags=re.M)[0]
    return text


def blocks(text: str, kind: str = "") -> list[str]:
    """The fenced blocks of a kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```", text, flags=re.S | re.M)


class Reader:
    """Somebody at a terminal, in an empty folder.

    Args:
        folder: the folder.
        variables: of the environment, beside PATH and HOME.
    """

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "UNDERSTUDY_STATE_DIR": str(folder / "state"),
            **({"CI": os.environ["CI"]} if "CI" in os.environ else {}),
            **variables,
        }

    def configure(self, table: str) -> None:
        """Put a block into the configuration."""
        path = self._folder / "understudy.toml"
        path.write_text(table)
        self._environment["UNDERSTUDY_CONFIG"] = str(path)

    def does(self, command: str, *more: str) -> str:
        """Run a command of the page. Returns what it printed; it has to succeed."""
        words = shlex.split(command, comments=True)
        assert Path(words[0]).name == "understudy", command
        program = Path(sys.executable).with_name("understudy")
        done = subprocess.run(
            [program, *words[1:], *more],
            env=self._environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def computes(self, command: str) -> object:
        """The value that a program had, which ran by a command of the page."""
        return json.loads(self.does(command, "--json"))["value"]
