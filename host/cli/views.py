"""What ``--json`` shows of the host: the same fields as the HTTP API gives for the same thing."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from host.host import Host
from host.plugins import Plugins
from host.policy import Policy
from host.store.interface import Record

__all__ = ["adapter_views", "plugin_views", "policy_views", "record_view"]


def adapter_views(host: Host) -> list[dict[str, Any]]:
    """Every known adapter, those that serve first, in their order."""
    order = {name: place for place, name in enumerate(host.switchboard.current)}
    summaries = {spec.name: spec.summary for spec in host.plugins.adapters()}
    names = sorted(host.registry.names(), key=lambda name: order.get(name, len(order)))
    return [{"name": name, "summary": summaries.get(name, "")} | _adapter(host, name) for name in names]


def _adapter(host: Host, name: str) -> dict[str, Any]:
    absent = host.registry.absent.get(name)
    if absent is not None:
        blank: dict[str, Any] = dict.fromkeys(("ready", "serving", "runs_code", "remote", "priced", "files"), False)
        blank |= {
            "streaming": False,
            "version": None,
            "languages": [],
            "session_languages": [],
            "enforcement": {},
            "enforcement_by_language": {},
        }
        return blank | {"reason": absent.reason, "remedy": absent.remedy, "findings": []}
    check = host.checks.get(name)
    return {
        "ready": check is None or check.ok,
        "serving": name in host.switchboard.current,
        "reason": check.reason if check else "it was not checked yet.",
        "remedy": check.remedy if check else "",
        "findings": [finding.model_dump(mode="json") for finding in check.findings] if check else [],
        **host.registry.get(name).capabilities().model_dump(mode="json"),
    }


def policy_views(policies: Mapping[str, Policy], default: str) -> list[dict[str, Any]]:
    """Every policy with all its fields, the default first."""
    ordered = sorted(policies.values(), key=lambda policy: (policy.name != default, policy.name))
    return [
        policy.model_dump(mode="json") | {"default": policy.name == default, "policy_sha256": policy.sha256}
        for policy in ordered
    ]


def plugin_views(plugins: Plugins) -> dict[str, list[dict[str, Any]]]:
    """The plugins in use, and what was dropped with the reason."""
    return {"loaded": [asdict(each) for each in plugins.loaded], "broken": [asdict(each) for each in plugins.broken]}


def record_view(record: Record) -> dict[str, Any]:
    """One execution as it was answered (what is known of it, while it runs), and what was kept of its request.

    ``code`` and ``inputs`` (wire form) are null, and ``input_files`` empty, where the policy does not let them be kept.
    """
    summary = record.summary.model_dump(mode="json")
    result = record.result.model_dump(mode="json") if record.result is not None else {}
    kept = {
        "code": record.code,
        "inputs": json.loads(record.inputs_wire) if record.inputs_wire is not None else None,
        "input_files": [file.model_dump(mode="json") for file in record.files],
    }
    return {**summary, **result, **kept}
