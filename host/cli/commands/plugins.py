"""``understudy plugins``: what is loaded, and what was dropped and why."""

from dataclasses import asdict

from host.cli.discovery import plugins_that_load
from host.cli.options import JsonOption
from host.cli.session import session
from host.cli.showing import table
from host.cli.terminal import print_json
from host.cli.views import plugin_views

__all__ = ["plugins"]


def plugins(as_json: JsonOption = False) -> None:
    """List the plugins, the broken ones with their reason."""
    settings = session().settings().plugins
    loaded, unusable = plugins_that_load(settings.disabled, use_entry_points=settings.entry_points)
    for discover in (loaded.adapters, loaded.languages, loaded.commands, loaded.routes, loaded.checks):
        discover()  # a plugin shows that it is broken when it is asked
    views = plugin_views(loaded)
    views["broken"] += [asdict(each) for each in unusable]
    known = {each["name"] for each in views["loaded"] + views["broken"]}
    views["broken"] += [
        {"name": name, "distribution": "", "version": "", "reason": "it is required, and not installed"}
        for name in settings.required
        if name not in known
    ]
    if as_json:
        print_json(views)
        return
    rows = [(each, "loaded", ", ".join(each["hooks"])) for each in views["loaded"]]
    rows += [(each, "broken", each["reason"]) for each in views["broken"]]
    table(
        ("PLUGIN", "STATE", "FROM", "HOOKS OR REASON"),
        (
            (each["name"], state, f"{each['distribution']} {each['version']}".strip(), text)
            for each, state, text in rows
        ),
    )
