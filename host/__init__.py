"""Understudy's host: the contract, the engine, and the doors to it.

Names are loaded on first use, so that importing the package costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from host.host import Host, build_host
    from host.interface import Adapter, Capabilities, CheckResult, DisplayEvent, Finding, OutputEvent, Refusal
    from host.loop import run
    from host.models import Actor, ExecutionRequest, ExecutionResult, File, Status
    from host.policy import Enforcement, Limits, Policy
    from host.sessions import SessionInfo
    from host.settings import Settings, load_settings
    from host.streams import FinishedEvent, StartedEvent, StreamEvent
    from host.values import Image, Opaque, Table

__all__ = [
    "Actor",
    "Adapter",
    "Capabilities",
    "CheckResult",
    "DisplayEvent",
    "Enforcement",
    "ExecutionRequest",
    "ExecutionResult",
    "File",
    "Finding",
    "FinishedEvent",
    "Host",
    "Image",
    "Limits",
    "Opaque",
    "OutputEvent",
    "Policy",
    "Refusal",
    "SessionInfo",
    "Settings",
    "StartedEvent",
    "Status",
    "StreamEvent",
    "Table",
    "build_host",
    "load_settings",
    "run",
]

_HOMES = {
    "host.host": ("Host", "build_host"),
    "host.interface": (
        "Adapter",
        "Capabilities",
        "CheckResult",
        "DisplayEvent",
        "Finding",
        "OutputEvent",
        "Refusal",
    ),
    "host.loop": ("run",),
    "host.models": ("Actor", "ExecutionRequest", "ExecutionResult", "File", "Status"),
    "host.policy": ("Enforcement", "Limits", "Policy"),
    "host.sessions": ("SessionInfo",),
    "host.settings": ("Settings", "load_settings"),
    "host.streams": ("FinishedEvent", "StartedEvent", "StreamEvent"),
    "host.values": ("Image", "Opaque", "Table"),
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'host' has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
