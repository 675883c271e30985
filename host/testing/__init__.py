"""The conformance suite that ships with the host: a new adapter is tested by ten lines. See docs/adapters.md.

It needs pytest, which the host itself does not.
"""

import pytest

pytest.register_assert_rewrite(*(f"host.testing.{name}" for name in ("harness", "life", "sessions", "suite")))

from host.testing.missing import missing  # noqa: E402 - after the rewrite is registered
from host.testing.program import Program  # noqa: E402
from host.testing.programs import PAIRS, PROGRAMS, Pair, programs_for  # noqa: E402
from host.testing.sessions import SessionConformance  # noqa: E402
from host.testing.suite import AdapterConformance  # noqa: E402

__all__ = [
    "PAIRS",
    "PROGRAMS",
    "AdapterConformance",
    "Pair",
    "Program",
    "SessionConformance",
    "missing",
    "programs_for",
]
