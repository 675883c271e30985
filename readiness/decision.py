"""Which adapters serve, in which order, and why: a pure function of what is configured and what the checks said."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from host.interface import CheckResult

__all__ = ["Decision", "order"]


@dataclass(frozen=True, slots=True)
class Decision:
    """The adapters that serve, first choice first, and for every adapter that was looked at a reason."""

    serving: tuple[str, ...]
    reasons: Mapping[str, str]

    @property
    def sentence(self) -> str:
        """What changed, in one sentence for people."""
        if not self.serving:
            return "No adapter is ready."
        first = self.serving[0]
        unready = [f"{name} is not ready" for name in self.reasons if name not in self.serving]
        return f"{first} serves first" + (f"; {', '.join(unready)}" if unready else "") + "."


def order(
    prefer: Sequence[str],
    checks: Mapping[str, CheckResult],
    enabled: Collection[str],
    stand_ins: Collection[str] = ("placeholder",),
) -> Decision:
    """The ready ones among the enabled adapters, in the configured order.

    Args:
        prefer: adapter names, first choice first (``adapters.prefer``). What it does not name does not serve.
        checks: the last check of each adapter.
        enabled: the adapters that configuration allows; one that costs money or leaves the machine is in it only
            where configuration says so.
        stand_ins: adapters that run nothing; they come last wherever ``prefer`` has them.
    """
    wanted = list(dict.fromkeys(prefer))
    ranked = [name for name in wanted if name not in stand_ins] + [name for name in wanted if name in stand_ins]
    reasons = {name: _reason(name, checks, enabled) for name in ranked}
    serving = tuple(name for name in ranked if name in enabled and name in checks and checks[name].ok)
    others = [name for name in checks if name not in reasons]
    reasons.update((name, "It is not in adapters.prefer.") for name in others)
    return Decision(serving, reasons)


def _reason(name: str, checks: Mapping[str, CheckResult], enabled: Collection[str]) -> str:
    if name not in enabled:
        return f"It is not in use; set adapters.{name}.enabled to true to use it."
    if name not in checks:
        return "It was not checked."
    check = checks[name]
    if check.ok:
        return f"Ready: {check.reason}"
    return f"Not ready: {check.reason} {check.remedy}".rstrip()
