"""Readiness as a plugin: it fills the switchboard when the host starts, and adds to ``understudy doctor``."""

from collections.abc import Iterator
from typing import Any

from host.hookspecs import hookimpl
from host.specs import CheckSpec

__all__ = ["checks", "host_started"]


@hookimpl
async def host_started(host: Any) -> None:
    """Put the adapters that are ready in service."""
    from readiness.startup import put_ready_adapters_in_service

    await put_ready_adapters_in_service(host)


@hookimpl
def checks() -> Iterator[CheckSpec]:
    """Whether anything that runs code is in service."""
    yield CheckSpec("service", "readiness.doctor:service")
