"""What is installed on the machines of sessions."""

import os
import shutil
import site
import sys
import sysconfig
from pathlib import Path

__all__ = ["install"]


def install(root: Path) -> Path:
    """What every machine has: python3 with the packages of this interpreter, deno and node if they are here.

    The packages are found through a .pth file, which does not follow the .pth files of their folder: what is installed
    here for development, such as this checkout, is not there. Returns the folder of the programs.
    """
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    packages = root / "lib" / version / "site-packages"
    packages.mkdir(parents=True)
    (packages / "installed.pth").write_text("\n".join(site.getsitepackages()) + "\n", encoding="utf-8")
    base = Path(sys.base_prefix) / "bin" / version
    (root / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n", encoding="utf-8")
    programs = root / "bin"
    programs.mkdir()
    for name in ("python3", "python"):
        (programs / name).symlink_to(base)
    for name in ("deno", "node"):
        found = shutil.which(name, path=f"{sysconfig.get_path('scripts')}:{os.environ.get('PATH', '')}")
        if found:
            (programs / name).symlink_to(Path(found).resolve())
    return programs
