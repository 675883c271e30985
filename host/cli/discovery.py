"""Plugins for commands that must work when a plugin does not: the help, and the command that shows what is broken."""

import importlib
from collections.abc import Iterable

from host.plugins import BUILT_IN, BrokenPlugin, Plugins, load_plugins

__all__ = ["plugins_that_load"]


def plugins_that_load(disabled: Iterable[str], *, use_entry_points: bool) -> tuple[Plugins, list[BrokenPlugin]]:
    """The plugins but for built-in ones that cannot be imported; those come second, with the reason.

    The host itself does not start without them.
    """
    skip, broken = set(disabled), []
    for name in BUILT_IN:
        if name not in skip:
            try:
                importlib.import_module(name)
            except Exception as error:  # noqa: BLE001 - isolated: it is shown, and the other commands go on
                reason = f"it cannot be imported: {type(error).__name__}: {error}"
                broken.append(BrokenPlugin(name, "understudy", "", reason))
    skip.update(each.name for each in broken)
    return load_plugins(disabled=skip, use_entry_points=use_entry_points), broken
