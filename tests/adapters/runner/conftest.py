"""The far side that the tests of this folder share."""

import importlib.util
import os
import sys
import tempfile
from pathlib import Path

import pytest


def _load():
    spec = importlib.util.spec_from_file_location("far_side", Path(__file__).with_name("far.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["far_side"] = module
    spec.loader.exec_module(module)
    return module


far_side = _load()


@pytest.fixture(scope="session")
def far():
    """A far side with the languages that every machine with Python, deno and bash has; open to all users."""
    with tempfile.TemporaryDirectory(prefix="far-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield far_side.FarSide(folder, ("python", "javascript", "bash", "sql"))


@pytest.fixture(
    params=[None, 59_000] if os.getuid() == 0 else [None], ids=lambda uid: "as-other" if uid else "as-itself"
)
def uid(request):
    """Whom the runner becomes for the program."""
    return request.param


@pytest.fixture
def nobody():
    """A user without privileges: another one where this is root, who may read and write everything anyway."""
    return 59_000 if os.getuid() == 0 else None
