"""What a machine lacks: a skip where somebody works, a failure where everything has to be proved."""

import os
from typing import NoReturn

import pytest

__all__ = ["missing"]


def missing(reason: str) -> NoReturn:
    """End a test for want of something that a complete machine has: a program, a wall, an engine.

    It is skipped with the reason on a laptop and fails where ``CI`` is set, so that nothing passes there because it was
    not tried. A test that a machine cannot need (another platform, another user) is skipped by ``pytest.skip``.
    """
    if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
        pytest.fail(f"{reason} (CI is set, so this is no reason to skip)")
    pytest.skip(reason)
