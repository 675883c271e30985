"""Which plugins are in use and which were dropped, with the reason; and the implementations of each hook, one by one.

pluggy registers and verifies. What is dropped is kept as a ``BrokenPlugin`` and shown by ``understudy plugins``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pluggy

from host import hookspecs
from host.errors import PluginError

__all__ = ["BrokenPlugin", "Call", "LoadedPlugin", "Registrations"]


@dataclass(frozen=True, slots=True)
class LoadedPlugin:
    """A plugin in use: its name, the distribution that brought it, the hooks it implements."""

    name: str
    distribution: str
    version: str
    hooks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BrokenPlugin:
    """A plugin, or a contribution of one, that was dropped, and why."""

    name: str
    distribution: str
    version: str
    reason: str


@dataclass(frozen=True, slots=True)
class Call:
    """One plugin's implementation of one hook."""

    plugin: str
    function: Callable[..., Any]
    arguments: tuple[str, ...]

    def __call__(self, available: Mapping[str, Any]) -> Any:
        return self.function(*[available[name] for name in self.arguments])


class Registrations:
    """The plugins in use, in the order in which they were loaded, and the broken ones."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager("understudy")
        self._manager.add_hookspecs(hookspecs)
        self._calls: dict[str, list[Call]] = {}
        self._loaded: dict[str, LoadedPlugin] = {}
        self._broken: list[BrokenPlugin] = []

    @property
    def loaded(self) -> tuple[LoadedPlugin, ...]:
        return tuple(self._loaded.values())

    @property
    def broken(self) -> tuple[BrokenPlugin, ...]:
        return tuple(self._broken)

    def load(self, name: str, importer: Callable[[], object], distribution: str, version: str) -> None:
        """Import and register one plugin; what is wrong with it makes it a broken one."""
        try:
            plugin = importer()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - anything may go wrong in another's module; it is reported
            self._drop(name, distribution, version, f"it cannot be imported: {type(error).__name__}: {error}")
            return
        if name in self._loaded:
            taken_by = self._loaded[name]
            self._drop(name, distribution, version, f"the name is taken by {taken_by.distribution or 'another plugin'}")
            return
        try:
            if self._manager.register(plugin, name) is None:
                raise ValueError("the plugin is blocked")
            hooks = self._verified_hooks(plugin)
        except (pluggy.PluginValidationError, ValueError, TypeError) as error:
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            self._drop(name, distribution, version, str(error).replace("\n", " "))
            return
        self._loaded[name] = LoadedPlugin(name, distribution, version, tuple(sorted(hooks)))
        for hook, implementation in hooks.items():
            call = Call(name, implementation.function, tuple(implementation.argnames))
            self._calls.setdefault(hook, []).append(call)

    def _verified_hooks(self, plugin: object) -> dict[str, pluggy.HookImpl]:
        """The plugin's implementations by hook; unknown names and wrappers are refused, plugin by plugin."""
        hooks: dict[str, pluggy.HookImpl] = {}
        for caller in self._manager.get_hookcallers(plugin) or ():
            implementation = next(impl for impl in caller.get_hookimpls() if impl.plugin is plugin)
            if not caller.has_spec():
                if implementation.optionalhook:
                    continue
                known = ", ".join(sorted(_hook_names()))
                raise ValueError(f"it implements an unknown hook, {caller.name}; hooks are {known}")
            if implementation.wrapper or implementation.hookwrapper:
                raise ValueError(
                    f"its {caller.name} is a wrapper; hooks here are called plugin by plugin, without wrappers"
                )
            hooks[caller.name] = implementation
        return hooks

    def require(self, names: Iterable[str]) -> None:
        """Refuse to go on without the named plugins.

        Raises:
            PluginError: one of them is missing or broken.
        """
        for name in names:
            if name not in self._loaded:
                reason = next((broken.reason for broken in self._broken if broken.name == name), "it is not installed")
                raise PluginError(
                    f"the required plugin {name} cannot be used: {reason}.",
                    remedy="Install or repair it, or take it out of plugins.required.",
                )

    def _drop(self, name: str, distribution: str, version: str, reason: str) -> None:
        broken = BrokenPlugin(name, distribution, version, reason)
        if broken not in self._broken:  # discovery may be asked more than once
            self._broken.append(broken)

    def _drop_contribution(self, plugin: str, reason: str) -> None:
        known = self._loaded[plugin]
        self._drop(plugin, known.distribution, known.version, reason)


def _hook_names() -> list[str]:
    return [name for name, item in vars(hookspecs).items() if hasattr(item, "understudy_spec")]
