"""Emulated MicroVMs around the server and the runner that a real image has."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.adapters.lambda_microvm.rig import Built, Rig, add_image
from tests.emulators.account import Account
from tests.emulators.fixtures import emulate
from tests.emulators.microvm_service import MicroVms

__all__ = ["emulate"]


@pytest.fixture(scope="session")
def built() -> Built:
    """The files of the image."""
    folder = Path(tempfile.mkdtemp(prefix="understudy-image-"))
    yield Built(folder)
    shutil.rmtree(folder)


@pytest.fixture
async def rig(emulate: Callable[..., Account], built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """One, to which the environment points."""
    microvms = MicroVms()
    emulate(microvms)
    monkeypatch.setenv("AWS_CA_BUNDLE", os.fspath(microvms.ca))
    add_image(microvms, built)
    rig = Rig(microvms, tmp_path / "state")
    yield rig
    for adapter in rig.adapters:
        await adapter.aclose()
    assert microvms.living() == []
    assert microvms.account.broken == []
