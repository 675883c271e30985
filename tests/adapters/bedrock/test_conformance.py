"""The conformance suite of the host, on emulated services."""

import time

import pytest

from host.testing import AdapterConformance
from tests.adapters.bedrock.emulated import EmulatedBedrock, region

pytestmark = pytest.mark.engine


class TestBedrock(AdapterConformance):
    """Every program in a session that is started for it."""

    settings = {"warm": False, "region": "us-east-1"}
    must_accept = ("*",)

    @classmethod
    def make_adapter(cls):
        return EmulatedBedrock()

    @pytest.fixture(autouse=True)
    def _nothing_left_at_aws(self):
        """After each test, every session that it had is stopped: within seconds, behind the result."""
        yield
        until = time.monotonic() + 10
        while (left := region().running()) and time.monotonic() < until:
            time.sleep(0.02)
        assert not left
