"""Folders that programs were in, removed."""

import subprocess
from pathlib import Path

__all__ = ["remove_tree"]


def remove_tree(folder: Path | str) -> None:
    """Remove a folder with all that is in it, if it is there.

    Attacks leave folders within folders that are deeper than Python's stack, which ``shutil.rmtree`` needs.
    """
    subprocess.run(["rm", "-rf", "--", str(folder)], check=False, stderr=subprocess.DEVNULL)
