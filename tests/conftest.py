"""Fixtures that every part of the suite shares."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _scrubbed_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test sees the operator's configuration, and none writes into the operator's state folder."""
    for name in list(os.environ):
        if name.startswith("UNDERSTUDY_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("UNDERSTUDY_STATE_DIR", str(tmp_path_factory.getbasetemp() / "state"))


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """A state folder of the test's own."""
    return tmp_path / "state"
