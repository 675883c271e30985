"""What the table ``[adapters.sandbox]`` may say."""

from pydantic import Field

from host.tables import AdapterTable

__all__ = ["SandboxSettings"]


class SandboxSettings(AdapterTable):
    """The settings, each with its default."""

    table = "sandbox"
    page = "docs/warm-guests.md"

    cgroup: str = Field(
        default="auto",
        min_length=1,
        description="'auto', 'off', or a folder of the unified hierarchy that this host may make groups in",
    )
    uid_first: int = Field(
        default=59_000,
        ge=1,
        description="the first user id that belongs to nobody; a host that is root runs each program as one of them",
    )
    uid_count: int = Field(default=512, ge=1, description="how many such user ids there are")
    start_timeout_ms: int = Field(
        default=10_000, ge=1, description="how long bubblewrap and the launcher may take before the program starts"
    )
    max_running: int = Field(
        default=0, ge=0, description="programs at one time; 0 is four for each processor, and eight at least"
    )
    max_waiting: int = Field(
        default=1000, ge=0, description="programs that may wait for their turn; then requests are refused"
    )
    warm: bool = Field(default=True, description="keep sandboxes ready ahead of demand")
    min_ready: int = Field(default=2, ge=0, description="kept ready from the start for Python under the default policy")
    max_ready: int = Field(default=16, ge=0, description="kept ready at most for one language and policy")
    idle_memory_mb: int = Field(default=512, ge=0, description="about how much memory all that are ready may take")
