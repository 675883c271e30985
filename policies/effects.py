"""Whether running something twice can harm anybody."""

from host.policy import Enforcement, Policy

__all__ = ["is_effect_free"]


def is_effect_free(policy: Policy, session: str | None = None) -> bool:
    """Whether nothing outside the run can change, so that a repeat, here or elsewhere, harms nobody.

    It follows from what is held against the code's will, never from the code: the network is off and files stay in
    the run, both required of the adapter at level ``guest`` or better, and no session keeps anything.
    """
    held = all(policy.required(field).upholds(Enforcement.GUEST) for field in ("network_access", "file_system_access"))
    return held and not policy.network_access and session is None
