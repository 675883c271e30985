"""Plugins: loading one by one, and calling under the three failure rules."""

from types import SimpleNamespace

import pytest

from host.errors import PluginError
from host.hookspecs import hookimpl
from host.interface import Refusal
from host.models import ExecutionRequest, Risk, Severity, Verdict
from host.plugins import Plugins, load_plugins
from host.policy import Policy
from host.specs import CommandSpec

REQUEST = ExecutionRequest(code="1")
POLICY = Policy(name="open")


def plugin(**hooks):
    """A plugin object whose attributes are hook implementations."""
    return SimpleNamespace(**{name: hookimpl(function) for name, function in hooks.items()})


def loaded(**plugins) -> Plugins:
    """Plugins with the given objects, in order."""
    found = Plugins()
    for name, each in plugins.items():
        found.load(name, lambda each=each: each, f"dist-{name}", "1.0")
    return found


def _raises(error):
    def hook():
        raise error

    return hook


@pytest.mark.parametrize("error", [ImportError("no module x"), SystemExit(3), RuntimeError("boom")])
def test_a_plugin_that_cannot_be_imported_is_named_and_dropped(error):
    """An import that raises, whatever it raises, drops that plugin alone, with distribution, version and reason."""
    plugins = Plugins()
    plugins.load("bad", _raises(error), "bad-dist", "2.1")
    plugins.load("good", lambda: plugin(commands=lambda: [CommandSpec("a", "m:f", "")]), "good-dist", "1")
    assert [(each.name, each.distribution, each.version) for each in plugins.broken] == [("bad", "bad-dist", "2.1")]
    assert str(error) in plugins.broken[0].reason
    assert [each.name for each in plugins.commands()] == ["a"]


def test_an_unknown_hook_drops_the_plugin_and_lists_the_hooks():
    """A misspelt hook is an error that says which hooks there are."""
    plugins = loaded(odd=plugin(adaptors=lambda: ()))
    assert plugins.loaded == ()
    assert "unknown hook, adaptors" in plugins.broken[0].reason
    assert "adapters" in plugins.broken[0].reason


def test_an_unknown_argument_drops_the_plugin():
    """A hook that asks for an argument that the hook does not have is dropped."""
    plugins = loaded(odd=plugin(check_policy=lambda request, colour: None))
    assert plugins.loaded == ()
    assert "colour" in plugins.broken[0].reason


def test_a_wrapper_is_refused():
    """Hook wrappers have no place where hooks are called plugin by plugin."""

    def commands():
        yield

    plugins = loaded(odd=SimpleNamespace(commands=hookimpl(wrapper=True)(commands)))
    assert plugins.loaded == ()
    assert "wrapper" in plugins.broken[0].reason


def test_a_name_that_is_taken_drops_the_second():
    """Of two plugins with one name the first stays."""
    plugins = Plugins()
    plugins.load("twin", lambda: plugin(commands=lambda: [CommandSpec("first", "m:f", "")]), "one", "1")
    plugins.load("twin", lambda: plugin(commands=lambda: [CommandSpec("second", "m:f", "")]), "two", "1")
    assert [each.name for each in plugins.commands()] == ["first"]
    assert plugins.broken[0].distribution == "two"
    assert "taken by one" in plugins.broken[0].reason


def test_a_contribution_of_the_wrong_type_is_dropped_alone():
    """What is not the record that the hook asks for is dropped; the plugin's good contributions stay."""
    plugins = loaded(mixed=plugin(commands=lambda: ["run", CommandSpec("ok", "m:f", "")]))
    assert [each.name for each in plugins.commands()] == ["ok"]
    assert "gave a str" in plugins.broken[0].reason


def test_a_contribution_under_a_name_that_is_taken_is_dropped():
    """Two plugins that bring the same command: the first stays, the second is named. Asking again reports it once."""
    first = plugin(commands=lambda: [CommandSpec("run", "a:f", "")])
    second = plugin(commands=lambda: [CommandSpec("run", "b:f", "")])
    plugins = loaded(first=first, second=second)
    assert [each.target for each in plugins.commands()] == ["a:f"]
    assert [each.target for each in plugins.commands()] == ["a:f"]
    assert [each.name for each in plugins.broken] == ["second"]


def test_a_discovery_hook_that_raises_leaves_the_others_in_place():
    """Discovery is isolated per plugin."""
    good = plugin(commands=lambda: [CommandSpec("ok", "m:f", "")])
    plugins = loaded(bad=plugin(commands=_raises(KeyError("x"))), good=good)
    assert [each.name for each in plugins.commands()] == ["ok"]
    assert "KeyError" in plugins.broken[0].reason


def test_policies_fail_closed_at_the_start():
    """A plugin that cannot give its policies, gives something else or a taken name stops the start."""
    with pytest.raises(PluginError, match="cannot give its policies"):
        loaded(bad=plugin(named_policies=lambda settings: 1 / 0)).named_policies(None)
    with pytest.raises(PluginError, match="gave a str"):
        loaded(bad=plugin(named_policies=lambda settings: ["strict"])).named_policies(None)
    twice = plugin(named_policies=lambda settings: [POLICY, POLICY])
    with pytest.raises(PluginError, match="taken"):
        loaded(bad=twice).named_policies(None)


def test_a_policy_check_that_raises_or_answers_nonsense_denies():
    """Policy checks fail closed, and the refusal names the plugin."""
    for check in (lambda request, policy: 1 / 0, lambda request, policy: True):
        refusal = loaded(bad=plugin(check_policy=check)).deny(REQUEST, POLICY)
        assert refusal is not None
        assert refusal.rule == "policy-check-failed"
        assert "bad" in refusal.reason


def test_the_first_refusal_of_a_policy_check_counts():
    """One plugin's refusal denies, whatever the others say."""
    no = Refusal(rule="night", reason="Not at night.")
    plugins = loaded(yes=plugin(check_policy=lambda request: None), no=plugin(check_policy=lambda: no))
    assert plugins.deny(REQUEST, POLICY) == no


async def test_validation_fails_closed():
    """No validator, one that raises and one that answers nonsense each deny."""

    async def late(code):
        raise OSError("late")

    failing = ({"validate_code": lambda code: 1 / 0}, {"validate_code": lambda: "safe"}, {"validate_code": late})
    for hooks in ({}, *failing):
        verdict = await loaded(one=plugin(**hooks)).validate("1", "python", POLICY)
        assert verdict.verdict == "denied"
        assert verdict.risks[0].rule == "validation-failed"


async def test_verdicts_of_several_plugins_are_merged_to_the_stricter():
    """One denied verdict denies; deterministic holds only if all say so; the risks of all are kept."""
    risk = Risk(rule="r", severity=Severity.DENY, line=1, column=1, message="m")

    async def second(language):
        return Verdict(verdict="denied", risks=(risk,), deterministic=False)

    plugins = loaded(
        one=plugin(validate_code=lambda code: Verdict(verdict="safe", deterministic=True)),
        two=plugin(validate_code=second),
    )
    verdict = await plugins.validate("1", "python", POLICY)
    assert (verdict.verdict, verdict.deterministic, verdict.risks) == ("denied", False, (risk,))


def test_observers_that_raise_do_not_stop_the_others():
    """Every observer is told, whatever the ones before it did."""
    seen = []
    plugins = loaded(
        bad=plugin(execution_finished=lambda request: 1 / 0),
        good=plugin(execution_finished=lambda result: seen.append(result)),
    )
    plugins.observe("execution_finished", request=REQUEST, result="r")
    assert seen == ["r"]


def test_the_latest_plugin_answers_first():
    """A third party's sentence comes before the built-in one; a failure or None passes on."""
    plugins = loaded(
        built_in=plugin(spoken_sentence=lambda result: "plain"),
        none=plugin(spoken_sentence=lambda locale: None),
        bad=plugin(spoken_sentence=lambda: 1 / 0),
    )
    assert plugins.first("spoken_sentence", result=None, locale="en") == "plain"


def test_a_required_plugin_that_is_missing_refuses_the_start():
    """plugins.required names what must be there."""
    with pytest.raises(PluginError, match=r"acme.*not installed"):
        load_plugins(required=["acme"], use_entry_points=False)


def test_the_built_in_plugins_load_and_none_is_broken():
    """Our own plugins pass the same door as anybody's."""
    plugins = load_plugins(use_entry_points=False)
    plugins.adapters(), plugins.commands(), plugins.routes(), plugins.checks(), plugins.languages()
    assert plugins.broken == ()
    assert {each.name for each in plugins.adapters()} >= {"sandbox", "monty", "placeholder"}
