"""What the host shows of itself, as plain data ready for JSON. The command line and the HTTP API show the same."""

from typing import Any

from host.host import Host
from host.interface import Adapter
from host.plugins import Plugins
from host.policy import ENFORCED_FIELDS

__all__ = ["adapter_views", "language_views", "plugin_views", "policy_views"]


def adapter_views(host: Host) -> list[dict[str, Any]]:
    """Every adapter: those that serve in their order, then the rest. ``state`` is serving, ready, not_ready or absent."""
    current = host.switchboard.current
    names = [*current, *(name for name in host.registry.names() if name not in current)]
    summaries = {spec.name: spec.summary for spec in host.plugins.adapters()}
    return [_adapter_view(host, name, summaries.get(name, "")) for name in names]


def _adapter_view(host: Host, name: str, summary: str) -> dict[str, Any]:
    absent = host.registry.absent.get(name)
    if absent is not None:
        return {"name": name, "summary": summary, "state": "absent", "reason": absent.reason, "remedy": absent.remedy}
    adapter = host.registry.adapters[name]
    check = host.checks.get(name)
    view: dict[str, Any] = {"name": name, "summary": summary, "state": "ready", "reason": "", "remedy": ""}
    if check is not None:
        view |= {"reason": check.reason, "remedy": check.remedy, "latency_ms": check.latency_ms}
        view["findings"] = [finding.model_dump(mode="json") for finding in check.findings]
    if name in host.switchboard.current:
        view["state"] = "serving"
    elif check is not None and not check.ok:
        view["state"] = "not_ready"
    return view | _capabilities(adapter)


def _capabilities(adapter: Adapter) -> dict[str, Any]:
    capabilities = adapter.capabilities().model_dump(mode="json")
    held = capabilities["enforcement"]
    capabilities["enforcement"] = {field: held.get(field, "none") for field in ENFORCED_FIELDS}
    return capabilities


def policy_views(host: Host) -> list[dict[str, Any]]:
    """Every policy with all its fields, the default first."""
    default = host.settings.policies.default
    ordered = sorted(host.policies.values(), key=lambda policy: (policy.name != default, policy.name))
    return [
        policy.model_dump(mode="json") | {"default": policy.name == default, "sha256": policy.sha256}
        for policy in ordered
    ]


def language_views(host: Host) -> list[dict[str, Any]]:
    """Every language, and the adapters that serve it now."""
    serving = {name: host.registry.adapters[name].capabilities().languages for name in host.switchboard.current}
    return [
        {
            "name": language.name,
            "extensions": list(language.extensions),
            "aliases": list(language.aliases),
            "adapters": [name for name, spoken in serving.items() if language.name in spoken],
        }
        for language in host.languages()
    ]


def plugin_views(plugins: Plugins) -> dict[str, list[dict[str, Any]]]:
    """The plugins in use, and what was dropped with the reason."""
    return {
        "loaded": [
            {"name": each.name, "distribution": each.distribution, "version": each.version, "hooks": list(each.hooks)}
            for each in plugins.loaded
        ],
        "broken": [
            {"name": each.name, "distribution": each.distribution, "version": each.version, "reason": each.reason}
            for each in plugins.broken
        ],
    }
