"""``understudy doctor``: check every adapter; name what is missing and how to get it."""

import asyncio
from typing import Any

from host.cli.errors import FAILED, exit_code_for_error
from host.cli.options import JsonOption
from host.cli.session import session
from host.cli.terminal import console, joined, print_json, printable, waiting
from host.cli.views import adapter_views, plugin_views
from host.errors import UnderstudyError
from host.host import Host, build_host
from host.interface import Finding
from host.logs import set_up_logs
from host.specs import load_target

__all__ = ["doctor"]


def doctor(as_json: JsonOption = False) -> int:
    """Check every adapter; name what is missing and how to get it.

    Exit codes: 0 something that runs code is ready, 1 nothing is, 2 the configuration is wrong.
    """
    try:
        found = asyncio.run(_examine(quiet=as_json))
    except UnderstudyError as error:  # the host cannot start: that is a finding too
        finding = Finding(name="host", ok=False, reason=error.message, remedy=error.remedy)
        found = {"ok": False, "adapters": [], "checks": [finding.model_dump(mode="json")], "broken_plugins": []}
        _show(found, as_json=as_json)
        return max(FAILED, exit_code_for_error(error) % 70)
    _show(found, as_json=as_json)
    return 0 if found["ok"] else FAILED


async def _examine(*, quiet: bool) -> dict[str, Any]:
    settings = session().settings()
    set_up_logs(settings.logs)
    with waiting("Checking", quiet=quiet):
        async with build_host(settings) as host:
            await host.check_adapters([name for name in host.registry.adapters if name not in host.checks])
            adapters = adapter_views(host)
            return {
                "ok": any(view["serving"] and view["runs_code"] for view in adapters),
                "adapters": adapters,
                "checks": [finding.model_dump(mode="json") for finding in await _further(host)],
                "broken_plugins": plugin_views(host.plugins)["broken"],
            }


async def _further(host: Host) -> list[Finding]:
    """What plugins look at beside the adapters."""
    findings: list[Finding] = []
    for spec in host.plugins.checks():
        try:
            findings += [Finding.model_validate(each) for each in await load_target(spec.target)(host)]
        except Exception as error:  # noqa: BLE001 - isolated: a check that raises is a finding
            reason = f"the check failed: {type(error).__name__}: {error}"
            findings.append(Finding(name=spec.name, ok=False, reason=reason))
    return findings


def _show(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    for view in found["adapters"]:
        _line(view["name"], view["ready"], view["reason"], view["remedy"])
        for finding in view["findings"]:
            _line(f"  {finding['name']}", finding["ok"], finding["reason"], finding["remedy"])
    for finding in found["checks"]:
        _line(finding["name"], finding["ok"], finding["reason"], finding["remedy"])
    for plugin in found["broken_plugins"]:
        source = f"{plugin['distribution']} {plugin['version']}".strip()
        _line(f"plugin {plugin['name']} of {source}", False, plugin["reason"], "")
    console().print("Something that runs code is ready." if found["ok"] else "Nothing that runs code is ready.")


def _line(name: str, ok: bool, reason: str, remedy: str) -> None:
    out = console()
    style = ("green" if ok else "red") if out.is_terminal else None
    out.print("ok  " if ok else "-   ", style=style, end="")
    out.print(printable(f"{name}: {joined(reason, '' if ok else remedy)}"))
