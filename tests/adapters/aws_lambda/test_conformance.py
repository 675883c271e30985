"""The conformance suite of the host on the adapter ``lambda``, against an emulated Lambda with the real packages."""

import pytest

from tests.adapters.aws_lambda.suite import TestLambda

__all__ = ["TestLambda"]

pytestmark = pytest.mark.engine
