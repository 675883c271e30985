"""Third-party distributions in a folder of their own, so that this environment stays as it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


class Site:
    """A folder of installed distributions, and a way to run Python and ``understudy`` with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, source: Path) -> None:
        """Install a distribution with pip, as a user would."""
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
        command += ["--no-deps", "--no-build-isolation", "--target", str(self.folder), str(source)]
        subprocess.run(command, check=True, capture_output=True, text=True)

    def write(self, name: str, version: str, module: str, code: str, entry: str | None = None) -> None:
        """Lay down a distribution of one module, as an installer leaves it."""
        (self.folder / f"{module}.py").write_text(code)
        info = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[understudy]\n{entry or module} = {module}\n")

    def run(self, *arguments: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run Python with these distributions beside our own."""
        return subprocess.run(
            [sys.executable, *arguments],
            env={
                **os.environ,
                "PYTHONPATH": f"{self.folder}{os.pathsep}{_ROOT}",
                "PYTHONDONTWRITEBYTECODE": "1",
                "UNDERSTUDY_STATE_DIR": str(self.folder.parent / "state"),
                **environment,
            },
            check=check,
            capture_output=True,
            text=True,
            timeout=100,
        )

    def understudy(self, *arguments: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the command ``understudy``."""
        return self.run(
            "-c", "import sys; from host.cli.main import run; sys.exit(run())", *arguments, check=check, **environment
        )


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """An empty folder of distributions."""
    folder = tmp_path / "site"
    folder.mkdir()
    return Site(folder)


@pytest.fixture(scope="module")
def new_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """An empty folder of distributions for a whole module."""
    folder = tmp_path_factory.mktemp("module") / "site"
    folder.mkdir()
    return Site(folder)


@pytest.fixture(scope="module")
def echo_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A folder in which pip has installed understudy-echo."""
    import shutil

    folder = tmp_path_factory.mktemp("echo")
    source = folder / "source"  # pip may write beside what it builds
    shutil.copytree(_ROOT / "tests" / "data" / "understudy-echo", source)
    (folder / "site").mkdir()
    site = Site(folder / "site")
    site.install(source)
    return site
