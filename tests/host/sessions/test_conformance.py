"""The conformance of sessions, on an adapter that keeps real processes: the suite is as true as what it is tried on."""

import importlib.util
from pathlib import Path

from host.testing import SessionConformance

_spec = importlib.util.spec_from_file_location("understudy_test_live", Path(__file__).with_name("live.py"))
live = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(live)


class TestLive(SessionConformance):
    """Python and SQL in processes of their own."""

    @classmethod
    def make_adapter(cls):
        """A new one."""
        return live.Live()
