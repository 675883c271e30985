"""What happens when a host starts: every adapter in use is checked, and the ready ones are put on the switchboard."""

from typing import Any

from readiness.decision import Decision, order

__all__ = ["put_ready_adapters_in_service"]


async def put_ready_adapters_in_service(host: Any) -> Decision:
    """Check every adapter in use, all at the same time, and let the ready ones serve in the configured order.

    Args:
        host: the ``Host`` that starts.
    """
    checks = await host.check_adapters()
    adapters = host.registry.adapters
    stand_ins = [name for name, adapter in adapters.items() if not adapter.capabilities().runs_code]
    decision = order(host.settings.adapters.prefer, checks, adapters, stand_ins)
    host.switchboard.replace(decision.serving, decision.sentence)
    return decision
