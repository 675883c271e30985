"""What ``understudy doctor`` says about the service as a whole."""

from typing import Any

from host.interface import Finding

__all__ = ["service"]


async def service(host: Any) -> list[Finding]:
    """Which adapter serves, and whether it runs code."""
    serving = host.switchboard.current
    adapters = host.registry.adapters
    running = [name for name in serving if adapters[name].capabilities().runs_code]
    if running:
        return [Finding(name="service", ok=True, reason=f"{running[0]} serves; in order: {', '.join(serving)}.")]
    if serving:
        reason = f"Nothing that runs code is ready; {serving[0]} stands in."
    else:
        reason = "No adapter is ready, and nothing stands in."
    remedy = "Mend what the findings of an adapter name; `understudy adapters` lists them."
    return [Finding(name="service", ok=False, reason=reason, remedy=remedy)]
