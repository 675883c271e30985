"""Loading plugins, and calling their hooks under the three failure rules.

The calls are ours, because pluggy ends a whole hook call at the first exception, while here one broken plugin must not
take the others with it.

This module imports nothing heavy: the CLI's help goes through it.
"""

import importlib
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, TypeVar

from host.errors import PluginError, UnderstudyError
from host.registrations import BrokenPlugin, LoadedPlugin, Registrations
from host.specs import AdapterSpec, CheckSpec, CommandSpec, LanguageSpec, RouteSpec

if TYPE_CHECKING:
    from host.interface import Refusal
    from host.models import ExecutionRequest, Verdict
    from host.policy import Policy

__all__ = ["BUILT_IN", "ENTRY_POINT_GROUP", "BrokenPlugin", "LoadedPlugin", "Plugins", "load_plugins"]

BUILT_IN = ("host.builtin", "adapters.plugin", "policies.plugin", "readiness.plugin", "voice_handler.plugin")
"""Our own plugins, as ordinary as anybody's. All of them are required."""

ENTRY_POINT_GROUP = "understudy"

_Spec = TypeVar("_Spec")


def load_plugins(
    *,
    disabled: Iterable[str] = (),
    required: Iterable[str] = (),
    use_entry_points: bool = True,
    extra: Mapping[str, object] | None = None,
) -> "Plugins":
    """Load the built-in plugins, then each entry point of the group ``understudy``, then ``extra`` objects by name.

    Raises:
        PluginError: a built-in or required plugin is missing or broken.
    """
    plugins = Plugins()
    skip = frozenset(disabled)
    for name in BUILT_IN:
        if name not in skip:
            plugins.load(name, lambda name=name: importlib.import_module(name), "understudy", "")  # type: ignore[misc]
    for point in _entry_points() if use_entry_points else ():
        if point.name not in skip:
            distribution = point.dist.metadata["Name"] if point.dist else ""
            plugins.load(point.name, point.load, distribution, point.dist.version if point.dist else "")
    for name, plugin in (extra or {}).items():
        plugins.load(name, lambda plugin=plugin: plugin, "", "")  # type: ignore[misc]
    plugins.require([*(name for name in BUILT_IN if name not in skip), *required])
    return plugins


def _entry_points() -> list[EntryPoint]:
    return sorted(
        entry_points(group=ENTRY_POINT_GROUP), key=lambda point: (point.dist.name if point.dist else "", point.name)
    )


class Plugins(Registrations):
    """The plugins in use, and one accessor for each hook.

    Built-in ones come first, so that a third party cannot take their names.
    """

    def __init__(self) -> None:
        super().__init__()
        self._owners: dict[tuple[str, str], str] = {}  # hook and name of a contribution -> its plugin

    # --- discovery: isolated ------------------------------------------------------------------------------------------

    def adapters(self) -> tuple[AdapterSpec, ...]:
        return tuple(self._named("adapters", AdapterSpec))

    def languages(self) -> tuple[LanguageSpec, ...]:
        return tuple(self._named("languages", LanguageSpec))

    def commands(self) -> tuple[CommandSpec, ...]:
        return tuple(self._named("commands", CommandSpec))

    def routes(self) -> tuple[RouteSpec, ...]:
        return tuple(self._named("routes", RouteSpec))

    def checks(self) -> tuple[CheckSpec, ...]:
        return tuple(self._named("checks", CheckSpec))

    def drop(self, hook: str, name: str, reason: str) -> None:
        """Note that what a plugin contributed to ``hook`` under ``name`` could not be used."""
        self._drop_contribution(self._owners[hook, name], reason)

    def _named(self, hook: str, kind: type[_Spec]) -> Iterator[_Spec]:
        """What the plugins contribute to one hook, each name once."""
        seen: set[str] = set()
        for plugin, spec in self._discover(hook):
            if not isinstance(spec, kind):
                self._drop_contribution(
                    plugin, f"its hook {hook} gave a {type(spec).__name__}; it must give {kind.__name__}"
                )
                continue
            name: str = spec.name  # type: ignore[attr-defined]
            if name in seen:
                taken_by = self._owners[hook, name]
                self._drop_contribution(plugin, f"its {hook} entry {name!r} is taken by plugin {taken_by}")
                continue
            seen.add(name)
            self._owners[hook, name] = plugin
            yield spec

    def _discover(self, hook: str) -> Iterator[tuple[str, Any]]:
        for call in self._calls.get(hook, ()):
            try:
                found = call({})
                items = () if found is None else tuple(found)
            except Exception as error:  # noqa: BLE001 - isolated per plugin: reported, and the others go on
                self._drop_contribution(call.plugin, f"its hook {hook} failed: {type(error).__name__}: {error}")
                continue
            for item in items:
                yield call.plugin, item

    # --- policy and validation: fails closed --------------------------------------------------------------------------

    def named_policies(self, settings: Any) -> "dict[str, Policy]":
        """Every named policy.

        Raises:
            ConfigurationError: a policy file is wrong.
            PluginError: a plugin failed, gave something else, or a name that is taken.
        """
        from host.policy import Policy

        policies: dict[str, Policy] = {}
        for call in self._calls.get("named_policies", ()):
            try:
                found = tuple(call({"settings": settings}) or ())
            except UnderstudyError:
                raise
            except Exception as error:
                raise PluginError(
                    f"plugin {call.plugin} cannot give its policies: {type(error).__name__}: {error}"
                ) from error
            for policy in found:
                if not isinstance(policy, Policy):
                    raise PluginError(f"plugin {call.plugin} gave a {type(policy).__name__} for a policy")
                if policy.name in policies:
                    raise PluginError(f"plugin {call.plugin} brings policy {policy.name!r}, a name that is taken")
                policies[policy.name] = policy
        return policies

    def deny(self, request: "ExecutionRequest", policy: "Policy") -> "Refusal | None":
        """The first refusal of the policy checks; a check that raises, or answers nonsense, refuses."""
        arguments = {"request": request, "policy": policy}
        for call in self._calls.get("check_policy", ()):
            try:
                answer = call(arguments)
            except Exception as error:  # noqa: BLE001 - fails closed
                return _closed(call.plugin, f"raised {type(error).__name__}: {error}")
            if answer is not None:
                from host.interface import Refusal

                return (
                    answer if isinstance(answer, Refusal) else _closed(call.plugin, f"gave a {type(answer).__name__}")
                )
        return None

    async def validate(self, code: str, language: str, policy: "Policy") -> "Verdict":
        """One verdict from all plugins that know the language; denied where none does or one fails."""
        from host.models import Verdict

        arguments = {"code": code, "language": language, "policy": policy}
        verdicts = []
        for call in self._calls.get("validate_code", ()):
            try:
                answer = call(arguments)
                if isinstance(answer, Awaitable):
                    answer = await answer
            except Exception as error:  # noqa: BLE001 - fails closed
                return _denied_verdict(f"The validation of plugin {call.plugin} raised {type(error).__name__}: {error}")
            if answer is not None:
                if not isinstance(answer, Verdict):
                    return _denied_verdict(f"The validation of plugin {call.plugin} gave a {type(answer).__name__}.")
                verdicts.append(answer)
        if len(verdicts) == 1:
            return verdicts[0]
        return (
            _merged(verdicts) if verdicts else _denied_verdict(f"No plugin can validate {language}, so it is not run.")
        )

    # --- life cycle and observers -------------------------------------------------------------------------------------

    async def started(self, host: Any) -> None:
        """Call ``host_started``, isolated: a plugin that fails is shown as broken."""
        for call in self._calls.get("host_started", ()):
            try:
                answer = call({"host": host})
                if isinstance(answer, Awaitable):
                    await answer
            except Exception as error:  # noqa: BLE001 - isolated per plugin: reported, and the others go on
                self._drop_contribution(call.plugin, f"its hook host_started failed: {type(error).__name__}: {error}")

    async def stopping(self, host: Any) -> None:
        """Call ``host_stopping``; failures are logged."""
        for call in self._calls.get("host_stopping", ()):
            try:
                answer = call({"host": host})
                if isinstance(answer, Awaitable):
                    await answer
            except Exception as error:  # noqa: BLE001 - observers never stop the work
                _log_observer(call.plugin, "host_stopping", error)

    def observe(self, hook: str, **arguments: Any) -> None:
        """Tell the observers; failures are logged, and the work goes on."""
        for call in self._calls.get(hook, ()):
            try:
                call(arguments)
            except Exception as error:  # noqa: BLE001 - observers never stop the work
                _log_observer(call.plugin, hook, error)

    def first(self, hook: str, **arguments: Any) -> Any:
        """The first answer that is not None, latest plugin first; failures are logged."""
        for call in reversed(self._calls.get(hook, ())):
            try:
                answer = call(arguments)
            except Exception as error:  # noqa: BLE001 - observers never stop the work
                _log_observer(call.plugin, hook, error)
                continue
            if answer is not None:
                return answer
        return None


def _log_observer(plugin: str, hook: str, error: Exception) -> None:
    from host.events import get_logger

    get_logger("understudy.plugins").error("observer_failed", plugin=plugin, hook=hook, exc_info=error)


def _closed(plugin: str, what: str) -> "Refusal":
    from host.interface import Refusal

    return Refusal(
        rule="policy-check-failed",
        reason=f"The policy check of plugin {plugin} {what}; a check that fails denies.",
        remedy=f"Repair the plugin, or disable it with plugins.disabled = [{plugin!r}].",
    )


def _denied_verdict(message: str) -> "Verdict":
    from host.models import Risk, Severity, Verdict

    risk = Risk(rule="validation-failed", severity=Severity.DENY, line=0, column=0, message=message, remedy="")
    return Verdict(verdict="denied", risks=(risk,))


def _merged(verdicts: "list[Verdict]") -> "Verdict":
    from host.models import Verdict

    return Verdict(
        verdict="denied" if any(each.verdict == "denied" for each in verdicts) else "safe",
        risks=tuple(risk for each in verdicts for risk in each.risks),
        deterministic=all(each.deterministic for each in verdicts),
        effect_free=all(each.effect_free for each in verdicts),
        error=next((each.error for each in verdicts if each.error), None),
    )
