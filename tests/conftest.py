"""Fixtures that every part of the suite shares."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest

from host.testing import missing


@pytest.fixture(autouse=True)
def _scrubbed_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test sees the operator's configuration, and none writes into the operator's state folder."""
    for name in list(os.environ):
        if name.startswith("UNDERSTUDY_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("UNDERSTUDY_STATE_DIR", str(tmp_path_factory.getbasetemp() / "state"))


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests before an emulated cloud start a service each, and go with those that need engines."""
    for item in items:
        if "emulate" in getattr(item, "fixturenames", ()):
            item.add_marker("engine")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """What a test is marked to need is a program on the path."""
    for mark in item.iter_markers("needs"):
        for program in mark.args:
            if shutil.which(program) is None:
                missing(f"{program} is not on this machine; `.ci/run` installs it")


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """A state folder of the test's own."""
    return tmp_path / "state"


# Root may have put the interpreter and this checkout where nobody else can look. In a mount namespace of its own they
# are shown below a folder that everybody can read; nothing is copied and nothing is left.
_AS_ORDINARY_USER = """
set -e
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/python /mnt/packages /mnt/checkout /mnt/scripts
mount --rbind "$BASE" /mnt/python
mount --rbind "$PACKAGES" /mnt/packages
mount --rbind "$CHECKOUT" /mnt/checkout
mount --rbind "$SCRIPTS" /mnt/scripts
exec setpriv --reuid="$ID" --regid="$ID" --clear-groups -- env -i HOME="$STATE" ${CI:+CI="$CI"} \
    PATH="$SEEN:/mnt/scripts" PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/mnt/checkout:/mnt/packages TMPDIR="$STATE" \
    "/mnt/python/bin/$PROGRAM" "$@"
"""
ORDINARY_USER = 64_999


@pytest.fixture
def as_ordinary_user():
    """For root: runs Python as a user without privileges. The checkout shows as /mnt/checkout."""
    if shutil.which("unshare") is None:
        missing("unshare is missing: apt-get install util-linux")
    state = Path(tempfile.mkdtemp(prefix="understudy-tests-", dir="/tmp"))
    os.chown(state, ORDINARY_USER, ORDINARY_USER)
    environment = {
        "BASE": sys.base_prefix,
        "PACKAGES": sysconfig.get_paths()["purelib"],
        "CHECKOUT": str(Path(__file__).resolve().parents[1]),
        "SCRIPTS": sysconfig.get_paths()["scripts"],
        "ID": str(ORDINARY_USER),
        "STATE": str(state),
        "SEEN": os.environ["PATH"],
        "PATH": os.environ["PATH"],
        "CI": os.environ.get("CI", ""),
        "PROGRAM": f"python{sys.version_info[0]}.{sys.version_info[1]}",
    }

    def run(*arguments: str, timeout: float) -> subprocess.CompletedProcess[str]:
        command = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", _AS_ORDINARY_USER, "sh", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout, cwd="/")

    yield run
    shutil.rmtree(state, ignore_errors=True)
