"""A store in a folder of the test's own, and executions to put into it."""

import pytest

from host.models import ExecutionRequest, ExecutionResult
from host.policy import Policy
from host.store import open_store


@pytest.fixture
async def store(state_dir):
    """An open store."""
    store = await open_store(state_dir=state_dir)
    yield store
    await store.aclose()


@pytest.fixture
def policy():
    """The seed's policy."""
    return Policy(name="strict")


@pytest.fixture
def request_of():
    """Makes a request."""
    return lambda code="1 + 1", **fields: ExecutionRequest(code=code, **fields)


@pytest.fixture
def result_of():
    """Makes the final result of a request."""

    def make(request, status="succeeded", **fields):
        return ExecutionResult(id=request.id, status=status, language=request.language, policy="strict", **fields)

    return make
