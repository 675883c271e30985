"""Who serves: a pure function."""

from hypothesis import given
from hypothesis import strategies as st

from host.interface import CheckResult
from readiness.decision import order

READY = CheckResult(ok=True, reason="it ran a program.")
BROKEN = CheckResult(ok=False, reason="bwrap is missing.", remedy="apt-get install bubblewrap")
ALL = ("sandbox", "monty", "placeholder")


def test_the_ready_ones_serve_in_the_configured_order() -> None:
    """What is not ready is left out, and its reason names what is wrong and the remedy."""
    decision = order(ALL, {"sandbox": BROKEN, "monty": READY, "placeholder": READY}, ALL)
    assert decision.serving == ("monty", "placeholder")
    assert decision.reasons["sandbox"] == "Not ready: bwrap is missing. apt-get install bubblewrap"
    assert decision.sentence == "monty serves first; sandbox is not ready."


def test_a_stand_in_comes_last() -> None:
    """Whatever the order says, what runs nothing never comes before what runs code."""
    decision = order(("placeholder", "monty"), {"monty": READY, "placeholder": READY}, ALL)
    assert decision.serving == ("monty", "placeholder")


def test_what_is_not_enabled_does_not_serve() -> None:
    """A ready adapter that costs money serves only where it is enabled, and the reason names the setting."""
    decision = order(("lambda", "monty"), {"lambda": READY, "monty": READY}, ("monty",))
    assert decision.serving == ("monty",)
    assert "adapters.lambda.enabled" in decision.reasons["lambda"]


def test_what_is_not_preferred_does_not_serve() -> None:
    """An adapter that the order does not name waits, and the reason says so."""
    decision = order(("monty",), {"monty": READY, "echo": READY}, ("monty", "echo"))
    assert decision.serving == ("monty",)
    assert "adapters.prefer" in decision.reasons["echo"]


def test_nothing_is_ready() -> None:
    """Then nobody serves, and that is said."""
    assert order(ALL, {"sandbox": BROKEN}, ("sandbox",)).sentence == "No adapter is ready."


_names = st.sampled_from(["a", "b", "c", "d", "placeholder"])


@given(
    prefer=st.lists(_names),
    ready=st.dictionaries(_names, st.booleans()),
    enabled=st.frozensets(_names),
)
def test_laws(prefer, ready, enabled) -> None:
    """Whoever serves is preferred, enabled and ready, serves once, and in order; everyone looked at has a reason."""
    checks = {name: CheckResult(ok=ok, reason="r") for name, ok in ready.items()}
    decision = order(prefer, checks, enabled)
    wanted = [name for name in dict.fromkeys(prefer) if name in enabled and ready.get(name)]
    assert sorted(decision.serving) == sorted(wanted)
    runners = [name for name in wanted if name != "placeholder"]
    assert list(decision.serving[: len(runners)]) == runners
    assert set(decision.reasons) == set(prefer) | set(checks)
