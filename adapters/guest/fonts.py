"""Matplotlib's list of fonts, made when an environment is built: without it the first chart of every run reads all
fonts.

Making it runs code of the package, so that happens behind a small wall of bubblewrap: no network, nothing to write to,
and no files but the interpreter's and the environment's. Where there is no bubblewrap there is no list, and matplotlib
makes its own.
"""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from adapters.guest.contract import Runtime

__all__ = ["FONTS", "list_fonts"]

FONTS = ".matplotlib"
"""The folder among an environment's packages that holds the list."""

_SITE = "/guest/site"
_NAME = re.compile(r"fontlist-v[0-9.]{1,20}\.json")
_LARGEST_BYTES = 4 << 20
_TIMEOUT_S = 120
_MAKE = f"import sys; sys.path.append({_SITE!r}); import matplotlib.font_manager"


def list_fonts(library: Path, runtime: Runtime, libraries: Mapping[Path, str]) -> bool:
    """Make the list of fonts in ``library/.matplotlib``.

    Args:
        library: the packages of an environment.
        runtime: the Python that they are for.
        libraries: shared libraries of the system that the packages are linked against, each with its path inside.

    Returns:
        Whether it was made; the environment works without.
    """
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None or not (library / "matplotlib").is_dir():
        return False
    with tempfile.TemporaryDirectory(prefix="understudy-fonts-") as folder:
        made = Path(folder)
        made.chmod(0o777)
        shown = {**runtime.trees, **libraries, library: _SITE}
        binds = [word for path, inside in shown.items() for word in ("--ro-bind", str(path), inside)]
        command = [
            *(bubblewrap, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"),
            *("--setenv", "MPLCONFIGDIR", "/made", "--setenv", "OPENBLAS_NUM_THREADS", "1"),
            *(*binds, "--dev", "/dev", "--tmpfs", "/tmp", "--bind", folder, "/made", "--chdir", "/"),
            *(str(runtime.program), "-I", "-S", "-c", _MAKE),
        ]
        try:
            subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=True)
        except (OSError, subprocess.SubprocessError):
            return False
        found = [path for path in made.iterdir() if _NAME.fullmatch(path.name) and not path.is_symlink()]
        text = _checked(found[0]) if found else None
        if text is None:
            return False
        target = library / FONTS
        target.mkdir()
        (target / found[0].name).write_text(text, "utf-8")
    return True


def _checked(path: Path) -> str | None:
    """The list with the fonts alone that lie in matplotlib's own folder; None where the file is none."""
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST_BYTES:
            return None
        fonts = json.loads(path.read_bytes())
        for name in ("afmlist", "ttflist"):
            fonts[name] = [font for font in fonts[name] if not str(font["fname"]).startswith(("/", "."))]
        return json.dumps(fonts)
    except (OSError, ValueError, KeyError, TypeError):
        return None
