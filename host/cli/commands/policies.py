"""``understudy policies``: the named policies and their limits."""

from typing import Any

from host.cli.options import JsonOption
from host.cli.session import session
from host.cli.terminal import console, print_json, printable
from host.cli.views import policy_views
from host.plugins import load_plugins

__all__ = ["policies"]

_UNITS = {
    "max_execution_time": " ms",
    "max_cpu_time": " ms",
    "max_memory_mb": " MiB",
    "max_output_bytes": " bytes",
    "max_file_bytes": " bytes",
}


def policies(as_json: JsonOption = False) -> None:
    """List the policies and their limits, the default first."""
    settings = session().settings()
    plugins = load_plugins(disabled=settings.plugins.disabled, use_entry_points=settings.plugins.entry_points)
    views = policy_views(plugins.named_policies(settings), settings.policies.default)
    if as_json:
        print_json(views)
        return
    out = console()
    for view in views:
        out.print(printable(view["name"]), style="bold" if out.is_terminal else None, end="")
        out.print(printable(f"{' (default)' if view['default'] else ''}  {view['description']}"))
        for field, value in view.items():
            if field not in ("name", "description", "default", "policy_sha256"):
                level = view["enforcement"].get(field, "") if field != "enforcement" else ""
                out.print(printable(f"  {field:<20}  {_said(field, value)}{f'  (at least {level})' if level else ''}"))
        out.print()


def _said(field: str, value: Any) -> str:
    if value is None:
        return "any"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_said('', item)}" for name, item in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value}{_UNITS.get(field, '')}"
