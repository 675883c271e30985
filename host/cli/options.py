"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "CodeOption",
    "FileArgument",
    "JsonOption",
    "LanguageOption",
    "OutOption",
    "PicturesOption",
    "PolicyOption",
]

FileArgument = Annotated[str | None, typer.Argument(metavar="FILE|-", help="The program; - is stdin.")]
CodeOption = Annotated[str | None, typer.Option("--code", "-c", help="The program as text, in place of a file.")]
LanguageOption = Annotated[
    str | None, typer.Option("--language", "-l", help="By default what the file's ending stands for, else python.")
]
PolicyOption = Annotated[str | None, typer.Option("--policy", "-p", help="What the program may do, by name.")]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Where files that come out, and what was shown, are saved.")
]
PicturesOption = Annotated[
    str | None, typer.Option("--pictures", metavar="HOW", help="Pictures in the terminal: auto, never, kitty, iterm.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer with JSON.")]
