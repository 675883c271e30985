"""The whole conformance suite against emulated MicroVMs."""

import tempfile
from pathlib import Path

import pytest

from adapters.guest.javascript.host import JavaScriptGuest
from adapters.lambda_microvm.adapter import LambdaMicrovmAdapter
from host.models import ExecutionRequest
from host.testing import AdapterConformance
from tests.adapters.lambda_microvm.rig import Built, add_image
from tests.emulators.account import Account
from tests.emulators.fixtures import only_emulated
from tests.emulators.microvm_service import MicroVms

pytestmark = pytest.mark.engine


class TestLambdaMicrovm(AdapterConformance):
    """One account for all tests of the class."""

    @classmethod
    def make_adapter(cls):
        return LambdaMicrovmAdapter()

    @classmethod
    def setup_class(cls) -> None:
        cls._patch = pytest.MonkeyPatch()
        cls._folder = tempfile.TemporaryDirectory(prefix="understudy-image-")
        microvms = MicroVms()
        cls._account = Account(microvms).__enter__()
        only_emulated(cls._patch, cls._account)
        cls._patch.setenv("AWS_CA_BUNDLE", str(microvms.ca))
        add_image(microvms, Built(Path(cls._folder.name)))
        JavaScriptGuest().frame(ExecutionRequest(code=""), cls.policy)  # it keeps a process that reads code, for good
        super().setup_class()

    @classmethod
    def teardown_class(cls) -> None:
        try:
            super().teardown_class()
        finally:
            cls._account.__exit__()
            cls._folder.cleanup()
            cls._patch.undo()
        assert cls._account.broken == []
