"""Runs once inside an image that begins from another, while it is built: looks whether the base has what the language
needs, puts it where the guest expects it, and compiles our files for the interpreter that is there.

``python3 -I prepare.py LANGUAGE [PACKAGE...]``. Standard library only, Python 3.9 to 3.15.
"""

import importlib.util
import os
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 9)
PROGRAMS = {"javascript": "deno", "typescript": "deno", "bash": "bash"}
PLACES = {"deno": "/runtime/deno", "bash": "/usr/bin/bash"}


def main(language: str, packages: list[str]) -> None:
    """Prepare this image."""
    if sys.version_info[:2] < OLDEST:
        sys.exit(f"the base has Python {sys.version.split()[0]}; the runner needs 3.9 or later")
    for folder in ("/work", "/tmp"):  # noqa: S108 - inside the image
        Path(folder).mkdir(parents=True, exist_ok=True)
    program = PROGRAMS.get(language)
    if program:
        link(program, PLACES[program])
    if packages:
        link_packages(packages)
    compile_all("/guest")


def link(program: str, place: str) -> None:
    """Have a program show at its place."""
    found = shutil.which(program)
    if found is None:
        sys.exit(f"the base has no {program}, which the language needs; begin from an image that has it")
    if os.path.realpath(found) != os.path.realpath(place):
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        Path(place).symlink_to(os.path.realpath(found))


def link_packages(packages: list[str]) -> None:
    """Have the folder with these packages show where the guest imports from."""
    probe = "import importlib.metadata as m, sys; print(m.distribution(sys.argv[1]).locate_file(''))"
    folders = set()
    for package in packages:
        said = subprocess.run(  # as the base itself would import it
            [sys.executable, "-c", probe, package], capture_output=True, text=True, check=False
        )
        if said.returncode:
            sys.exit(f"the base has no {package}; begin from an image with it: RUN pip install {' '.join(packages)}")
        folders.add(os.path.realpath(said.stdout.strip()))
    if len(folders) != 1:
        sys.exit(f"{', '.join(packages)} lie in several folders of the base: {', '.join(sorted(folders))}")
    Path("/guest/site").symlink_to(folders.pop())


def compile_all(folder: str) -> None:
    """Compile what is Python below a folder; an image has nowhere to keep what each start would compile anew."""
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    for path in Path(folder).rglob("*.py"):
        target = importlib.util.cache_from_source(str(path))
        py_compile.compile(str(path), target, doraise=True, invalidation_mode=mode)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
