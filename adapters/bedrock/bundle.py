"""The one file that makes a session ready: the guests, the runner, and what starts it, as a zip that unpacks itself."""

import functools
import io
import zipfile
from pathlib import Path

from adapters.bedrock.inside import __file__ as _inside
from adapters.guest.bash import __file__ as _bash
from adapters.guest.javascript import __file__ as _javascript
from adapters.guest.sql.host import SQL_FILES
from adapters.runner.package import runner_files

__all__ = ["NAME", "bundle"]

NAME = "understudy.zip"
_ENTER = ("enter", "look", "notebook", "shut")
_SAME_DATE = (2026, 1, 1, 0, 0, 0)


@functools.cache
def bundle() -> bytes:
    """The file. It is the same for all languages and sessions."""
    ours = Path(_inside).parent
    files = {"__main__.py": ours / "prepare.py", **{f"enter/{name}.py": ours / f"{name}.py" for name in _ENTER}}
    files.update((place.lstrip("/"), path) for path, place in {**runner_files(), **SQL_FILES}.items())
    files.update((f"runtime/javascript/{path.name}", path) for path in Path(_javascript).parent.glob("*.mjs"))
    files["runtime/bash/guest.bash"] = Path(_bash).with_name("guest.bash")
    files["guest/program.sh"] = Path(_bash).with_name("program.sh")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, _SAME_DATE), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return packed.getvalue()
