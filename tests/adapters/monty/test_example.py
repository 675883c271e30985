"""The example that a new user runs."""

from decimal import Decimal
from pathlib import Path

import pytest

from host import build_host
from host.models import ExecutionRequest, Status
from host.testing import missing
from host.values import loads

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize("adapter", ["monty", "sandbox"])
async def test_quote(state_dir, adapter) -> None:
    """The phone quote has the same value, output and sentence on every adapter that runs Python here."""
    request = ExecutionRequest(
        code=(EXAMPLES / "quote.py").read_text(),
        inputs=loads((EXAMPLES / "quote.json").read_bytes()),
        policy="standard",
        adapter=adapter,
    )
    disabled = {} if adapter == "sandbox" else {"adapters__sandbox__enabled": False}
    async with build_host(state_dir=state_dir, **disabled) as host:
        if adapter not in host.switchboard.current:
            missing(f"{adapter} is not ready on this machine: {host.checks.get(adapter)}")
        result = await host.execute(request)
        spoken = host.spoken_sentence(result)
    assert result.status is Status.SUCCEEDED, result.reason
    assert result.value == {
        "subtotal": Decimal("1687.80"),
        "discount": Decimal("168.78"),
        "tax": Decimal("125.32"),
        "total": Decimal("1644.34"),
        "currency": "USD",
    }
    assert result.stdout.splitlines()[0] == "12 x desk phone: 1078.80"
    assert spoken.startswith("The total is one thousand six hundred forty-four dollars and thirty-four cents")
