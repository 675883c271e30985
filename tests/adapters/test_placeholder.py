"""The placeholder gives the answer that the project began with."""

import pytest

from adapters.placeholder import PlaceholderAdapter
from host import build_host
from host.interface import discard
from host.models import ExecutionRequest, Status
from host.policy import ENFORCED_FIELDS, Policy

POLICY = Policy(name="tests")


@pytest.mark.parametrize("language", ["python", "javascript", "sql", "elixir"])
async def test_answer(language) -> None:
    """Status, message and fallback action are the seed's, for each of its languages."""
    adapter = PlaceholderAdapter()
    request = ExecutionRequest(code="1 + 1", language=language)
    assert adapter.accepts(request, POLICY) is None
    result = await adapter.execute(request, POLICY, discard)
    assert result.status is Status.NOT_IMPLEMENTED
    assert result.message == "Code execution coming soon"
    assert result.fallback_action == "describe_computation_only"
    assert not result.may_have_started


async def test_capabilities() -> None:
    """It speaks the seed's languages, runs nothing, is always ready and upholds whatever is asked."""
    claims = PlaceholderAdapter().capabilities()
    assert claims.languages == ("python", "javascript", "sql", "elixir")
    assert not claims.runs_code
    assert not claims.shortfalls(Policy(name="all", enforcement=dict.fromkeys(ENFORCED_FIELDS, "wall")), "sql")
    assert (await PlaceholderAdapter().check()).ok


async def test_it_answers_through_the_host(state_dir) -> None:
    """Where nothing else is enabled the host records and returns its answer."""
    overrides = {"state_dir": state_dir, "adapters__prefer": ("placeholder",), "adapters__sandbox__enabled": False}
    async with build_host(**overrides) as host:
        assert host.switchboard.current == ("placeholder",)
        result = await host.execute(ExecutionRequest(code="1 + 1"))
        assert result.status is Status.NOT_IMPLEMENTED
        assert result.message == "Code execution coming soon"
        assert result.adapter == "placeholder"
        assert await host.store.get(result.id)
