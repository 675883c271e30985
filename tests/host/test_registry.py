"""Choosing an adapter: who may serve, who may not, and the reason given for each."""

import pytest

from host.errors import UnknownAdapter
from host.interface import Capabilities, CheckResult, Refusal
from host.models import ExecutionRequest
from host.policy import ENFORCED_FIELDS, Enforcement, Policy
from host.registry import Registry
from host.switchboard import Lane, Switchboard

OPEN = Policy(name="open", allowed_imports=None)
WALLED = Policy(name="walled", enforcement=dict.fromkeys(ENFORCED_FIELDS, Enforcement.WALL))
HOME = Policy(name="home", may_leave_machine=False)


class Stub:
    """An adapter that is only ever asked, never run."""

    def __init__(self, name, *, languages=("python",), level=Enforcement.WALL, refusal=None, **capabilities):
        self.name = name
        self._refusal = refusal
        levels = dict.fromkeys(ENFORCED_FIELDS, level)
        self._capabilities = Capabilities(version="1", languages=languages, enforcement=levels, **capabilities)

    def capabilities(self):
        return self._capabilities

    def accepts(self, request, policy):
        return self._refusal


def choose(stubs, request=None, policy=OPEN, order=None, checks=None):
    """The choice among ``stubs``, all serving in the given order unless ``order`` names fewer."""
    registry = Registry()
    for stub in stubs:
        registry.add(stub)
    lanes = tuple(Lane(name) for name in (order if order is not None else [stub.name for stub in stubs]))
    return registry.choose(request or ExecutionRequest(code="1"), policy, lanes, checks or {})


def reasons(choice):
    """Reason by adapter."""
    return {each.adapter: each.reason for each in choice.explain}


def test_the_first_that_may_serve_is_chosen_and_every_adapter_is_explained():
    """Each adapter gets one explanation; one alone is chosen."""
    choice = choose([Stub("a", languages=("sql",)), Stub("b"), Stub("c")])
    assert choice.adapter.name == "b"
    assert [(each.adapter, each.chosen) for each in choice.explain] == [("a", False), ("b", True), ("c", False)]
    assert "does not run python" in reasons(choice)["a"]
    assert "b comes before it" in reasons(choice)["c"]


def test_an_adapter_that_holds_less_than_the_policy_requires_does_not_serve():
    """Never a weaker wall than the policy asks for: the shortfall is named, field and both levels."""
    choice = choose([Stub("weak", level=Enforcement.GUEST)], policy=WALLED)
    assert choice.adapter is None
    assert choice.declined
    assert "max_memory_mb is held at level guest, policy walled requires wall" in reasons(choice)["weak"]


def test_one_language_may_be_held_less_than_the_others():
    """enforcement_by_language overrides single fields for one language."""
    special = {"sql": {"max_memory_mb": Enforcement.NONE}}
    stub = Stub("a", languages=("python", "sql"), enforcement_by_language=special)
    assert choose([stub], policy=WALLED).adapter is stub
    assert choose([stub], ExecutionRequest(code="1", language="sql"), WALLED).adapter is None


def test_a_remote_adapter_does_not_serve_a_policy_that_keeps_code_at_home():
    """may_leave_machine = false rules out what is remote, however strong its wall."""
    choice = choose([Stub("cloud", remote=True)], policy=HOME)
    assert choice.adapter is None
    assert "leave this machine" in reasons(choice)["cloud"]


def test_an_adapter_may_decline_one_request():
    """What ``accepts`` refuses goes to the next, and its reason and remedy are shown."""
    no = Refusal(rule="syntax", reason="It has no classes.", remedy="Use sandbox.")
    choice = choose([Stub("subset", refusal=no), Stub("full")])
    assert choice.adapter.name == "full"
    assert (choice.explain[0].reason, choice.explain[0].remedy) == ("It has no classes.", "Use sandbox.")


def test_a_named_adapter_alone_is_considered():
    """A request that names an adapter gets that one or none."""
    request = ExecutionRequest(code="1", adapter="b")
    assert choose([Stub("a"), Stub("b")], request).adapter.name == "b"
    weak = choose([Stub("a"), Stub("b", level=Enforcement.NONE)], request, WALLED)
    assert weak.adapter is None
    assert weak.declined


def test_a_named_adapter_that_is_not_ready_says_so():
    """Not ready is told apart from declined, with the check's reason and remedy."""
    checks = {"a": CheckResult(ok=False, reason="bwrap is missing.", remedy="apt-get install bubblewrap")}
    choice = choose([Stub("a")], ExecutionRequest(code="1", adapter="a"), checks=checks)
    assert (choice.adapter, choice.declined) == (None, False)
    assert "bwrap is missing" in choice.explain[0].reason
    assert choice.explain[0].remedy == "apt-get install bubblewrap"


def test_a_name_that_nobody_has_is_an_error():
    """An unknown adapter never becomes an execution."""
    with pytest.raises(UnknownAdapter, match="nobody"):
        choose([Stub("a")], ExecutionRequest(code="1", adapter="nobody"))


def test_adapters_out_of_service_are_explained_too():
    """Not ready, not preferred and disabled adapters each say what would change that."""
    registry = Registry()
    registry.add(Stub("ready"))
    registry.add(Stub("ill"))
    registry.leave_out("off", Refusal(rule="disabled", reason="it is disabled.", remedy="Enable it."))
    ill = CheckResult(ok=False, reason="no engine.", remedy="start it")
    checks = {"ready": CheckResult(ok=True, reason=""), "ill": ill}
    choice = registry.choose(ExecutionRequest(code="1"), OPEN, (), checks)
    by_name = {each.adapter: (each.reason, each.remedy) for each in choice.explain}
    assert by_name["ready"][1] == "Add 'ready' to adapters.prefer."
    assert by_name["ill"] == ("it is not ready: no engine.", "start it")
    assert by_name["off"] == ("it is disabled.", "Enable it.")


def test_a_stand_in_serves_any_policy():
    """What runs nothing has nothing to uphold."""
    assert choose([Stub("stand-in", level=Enforcement.NONE, runs_code=False)], policy=WALLED).adapter.name == "stand-in"


def test_the_switchboard_is_replaced_as_a_whole_and_tells_only_of_changes():
    """Readers see one list or the other, and observers hear of a switch once."""
    told = []
    board = Switchboard(lambda *change: told.append(change))
    board.replace(["a", "b"], "start")
    seen = board.lanes
    board.replace(["a", "b"], "again")
    board.replace(["b"], "a is gone")
    assert seen == (Lane("a"), Lane("b"))
    assert board.current == ("b",)
    assert told == [((), ("a", "b"), "start"), (("a", "b"), ("b",), "a is gone")]
