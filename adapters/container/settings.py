"""What the table ``[adapters.container]`` may say."""

from typing import Literal

from pydantic import Field

from host.tables import AdapterTable

__all__ = ["ContainerSettings"]


class ContainerSettings(AdapterTable):
    """The settings, each with its default."""

    table = "container"
    page = "docs/containers.md"

    host: str = Field(
        default="", description="address of the engine, as unix:///run/podman/podman.sock; '' looks for it"
    )
    runtime: str = Field(
        default="", description="runc, crun, runsc, kata or another name that the engine knows; '' is its own"
    )
    images: str = Field(
        default="understudy-guest", description="what the names of images begin with, a registry included"
    )
    user: int = Field(default=65532, ge=1, description="the user id inside")
    cpus: float = Field(default=2.0, gt=0, description="processors that one container may keep busy")
    seccomp: Literal["default", "unconfined"] = Field(
        default="default",
        description="the engine's own filter beneath ours; unconfined where it refuses what ours needs",
    )
    min_ready: int = Field(default=1, ge=0, description="containers kept waiting for Python under the default policy")
    max_ready: int = Field(default=8, ge=0, description="containers kept waiting in all")
    idle_ms: int = Field(
        default=300_000, ge=1, description="how long one waits for a kind of request that comes no more"
    )
    max_running: int = Field(default=32, ge=1, description="programs at one time")
    max_waiting: int = Field(default=1000, ge=0, description="programs that may wait for their turn")
    start_timeout_ms: int = Field(default=30_000, ge=1, description="how long a container may take to be ready")
    engine_timeout_ms: int = Field(default=30_000, ge=1, description="how long one call of the engine may take")
    reap_every_ms: int = Field(
        default=60_000, ge=1, description="how often containers of hosts that are gone are looked for"
    )
