"""What a session may use in all: the law that no command gets more than is left, nor more than its policy gives."""

from hypothesis import given
from hypothesis import strategies as st

from host.models import ExecutionResult, Usage
from host.policy import Policy
from host.sessions.budget import Budget
from host.sessions.info import SessionTotals

amounts = st.integers(0, 5000)


@given(st.lists(st.tuples(amounts, amounts, amounts), max_size=8), amounts, amounts, amounts)
def test_a_command_gets_what_is_left_and_never_more_than_its_policy(spent, wall_ms, cpu_ms, output_bytes):
    """After any commands: while nothing is used up, the next policy is bounded by the rest and by itself."""
    allowed = SessionTotals(commands=9, wall_ms=wall_ms, cpu_ms=cpu_ms, output_bytes=output_bytes)
    policy = Policy(name="strict", max_execution_time=2000, max_cpu_time=1000, max_output_bytes=3000)
    budget = Budget(allowed)
    for wall, cpu, output in spent:
        usage = Usage(wall_ms=wall, cpu_ms=cpu, output_bytes=output)
        budget.spend(ExecutionResult(id="x", status="succeeded", language="python", policy="strict", usage=usage))
    if budget.used_up() is None:
        tight = budget.within(policy)
        left = SessionTotals(
            wall_ms=wall_ms - budget.used.wall_ms,
            cpu_ms=cpu_ms - budget.used.cpu_ms,
            output_bytes=output_bytes - budget.used.output_bytes,
        )
        assert tight.max_execution_time == min(2000, left.wall_ms)
        assert tight.max_cpu_time == min(1000, left.cpu_ms)
        assert tight.max_output_bytes == min(3000, left.output_bytes)
    else:
        used = budget.used
        reached = (used.wall_ms > wall_ms - 1, used.cpu_ms > cpu_ms - 1, used.output_bytes >= output_bytes)
        assert any(reached)


def test_output_is_counted_where_the_adapter_does_not():
    """An adapter that states no output has its stdout and stderr counted."""
    budget = Budget(SessionTotals(commands=9, wall_ms=9, cpu_ms=9, output_bytes=5))
    fixed = {"id": "x", "status": "succeeded", "language": "python", "policy": "strict"}
    budget.spend(ExecutionResult(stdout="abc", stderr="de", **fixed))
    assert "max_output_bytes" in budget.used_up()
