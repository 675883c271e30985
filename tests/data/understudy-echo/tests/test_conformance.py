"""All that a plugin has to write to run the conformance suite."""

from host.testing import AdapterConformance
from understudy_echo.adapter import EchoAdapter


class TestEcho(AdapterConformance):
    @classmethod
    def make_adapter(cls):
        return EchoAdapter()
