"""The same tests once more, by a host that an ordinary user runs."""

import os

import pytest

FOLDER = "/mnt/checkout/tests/adapters/sandbox"
FILES = ("test_statuses.py", "test_layers.py", "test_files.py", "test_end.py", "test_machine.py")


@pytest.mark.skipif(os.getuid() != 0, reason="the tests run as an ordinary user already")
@pytest.mark.timeout(400)
@pytest.mark.engine
def test_as_an_ordinary_user(by_default, as_ordinary_user):
    """Every layer, status, end and file rule holds for a host without privileges, where the host itself counts."""
    options = ("-q", "-x", "-p", "no:cacheprovider", "--rootdir=/mnt/checkout", "-c", "/mnt/checkout/pyproject.toml")
    options += ("-k", "not watched")  # this user has no control groups, so every way is watched
    done = as_ordinary_user("-m", "pytest", *options, *(f"{FOLDER}/{name}" for name in FILES), timeout=380)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
