"""``understudy adapters``: what could run code here, in which state, and how strongly it holds each limit."""

import asyncio
from typing import Any

from host.cli.options import JsonOption
from host.cli.session import session
from host.cli.terminal import console, joined, print_json, printable, waiting
from host.cli.views import adapter_views
from host.host import build_host
from host.logs import set_up_logs

__all__ = ["adapters"]


def adapters(as_json: JsonOption = False) -> None:
    """List the adapters: state, languages, how each limit is enforced, and why it serves or not."""
    views = asyncio.run(_views(quiet=as_json))
    if as_json:
        print_json(views)
        return
    for view in views:
        _show(view)


async def _views(*, quiet: bool) -> list[dict[str, Any]]:
    settings = session().settings()
    set_up_logs(settings.logs)
    with waiting("Asking the adapters", quiet=quiet):
        async with build_host(settings) as host:
            return adapter_views(host)


def _state(view: dict[str, Any]) -> str:
    return "serves" if view["serving"] else "ready" if view["ready"] else "not ready"


def _show(view: dict[str, Any]) -> None:
    out = console()
    out.print(printable(view["name"]), style="bold" if out.is_terminal else None, end="")
    out.print(printable(f"  {_state(view)}  {view['version'] or ''}  {view['summary']}"))
    told = [("why", joined(view["reason"], view["remedy"])), ("languages", ", ".join(view["languages"]))]
    traits = [name for name in ("runs_code", "files", "streaming", "remote", "priced") if view[name]]
    told.append(("can", ", ".join(trait.replace("_", " ") for trait in traits)))
    told.append(("sessions", ", ".join(view["session_languages"])))
    by_level: dict[str, list[str]] = {}
    for field, level in view["enforcement"].items():
        by_level.setdefault(level, []).append(field)
    told += [(level, ", ".join(by_level[level])) for level in ("wall", "guest", "advice", "none") if level in by_level]
    for language, fields in view["enforcement_by_language"].items():
        told.append((language, ", ".join(f"{field} {level}" for field, level in fields.items())))
    for name, text in told:
        if text:
            out.print(printable(f"  {name:<10}  {text}"))
    out.print()
