"""Hosts to measure: with settings of their own, untouched by the operator's."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from host import Host, build_host, load_settings

__all__ = ["require", "started"]


@contextlib.asynccontextmanager
async def started(state_dir: Path, **overrides: Any) -> AsyncIterator[Host]:
    """A host whose records and leftovers lie in ``state_dir``.

    Args:
        state_dir: a folder of its own.
        overrides: settings by dotted name, with ``__`` for the dot; or what else ``build_host`` takes.
    """
    settings = load_settings(environ={}, overrides={"state_dir": str(state_dir), "plugins.entry_points": False})
    async with build_host(settings, **overrides) as host:
        yield host


def require(host: Host, adapter: str) -> None:
    """End here where ``adapter`` cannot serve.

    Raises:
        SystemExit: it is not ready; the message says why and what mends it.
    """
    check = host.checks.get(adapter)
    if check is None or not check.ok:
        why = "it is switched off" if check is None else f"{check.reason} {check.remedy}".strip()
        raise SystemExit(f"{adapter} is not ready: {why}")
