"""The same tests once more, by a host that an ordinary user runs."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

NOBODY = 64_999
HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
FILES = ("test_statuses.py", "test_layers.py", "test_files.py", "test_end.py", "test_machine.py")

# Root may have put the interpreter and this checkout where nobody else can look. In a mount namespace of its own
# they are shown below a folder that everybody can read; nothing is copied and nothing is left.
SCRIPT = """
set -e
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/python /mnt/packages /mnt/checkout /mnt/scripts
mount --rbind "$BASE" /mnt/python
mount --rbind "$PACKAGES" /mnt/packages
mount --rbind "$CHECKOUT" /mnt/checkout
mount --rbind "$SCRIPTS" /mnt/scripts
exec setpriv --reuid="$ID" --regid="$ID" --clear-groups -- env -i HOME="$STATE" ${CI:+CI="$CI"} \
    PATH="$SEEN:/mnt/scripts" PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/mnt/checkout:/mnt/packages TMPDIR="$STATE" \
    "/mnt/python/bin/$PROGRAM" -m pytest -q -x -p no:cacheprovider \\
    --rootdir=/mnt/checkout -c /mnt/checkout/pyproject.toml "$@"
"""


@pytest.mark.skipif(os.getuid() != 0, reason="the tests run as an ordinary user already")
@pytest.mark.timeout(400)
def test_as_an_ordinary_user(by_default, tmp_path):
    """Every layer, status, end and file rule holds for a host without privileges, where the host itself counts."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare is missing: apt-get install util-linux")
    state = Path("/tmp") / f"understudy-tests-{os.getpid()}"
    state.mkdir(mode=0o700)
    os.chown(state, NOBODY, NOBODY)
    environment = {
        "BASE": sys.base_prefix,
        "PACKAGES": sysconfig.get_paths()["purelib"],
        "CHECKOUT": str(ROOT),
        "SCRIPTS": sysconfig.get_paths()["scripts"],
        "ID": str(NOBODY),
        "STATE": str(state),
        "SEEN": os.environ["PATH"],
        "PATH": os.environ["PATH"],
        "CI": os.environ.get("CI", ""),
        "PROGRAM": f"python{sys.version_info[0]}.{sys.version_info[1]}",
    }
    files = [f"/mnt/checkout/{HERE.relative_to(ROOT)}/{name}" for name in FILES]
    command = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", SCRIPT, "sh", *files]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=380, cwd="/")
    finally:
        shutil.rmtree(state, ignore_errors=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
