"""What the table ``[adapters.bedrock]`` may say."""

from typing import Any

from pydantic import Field

from adapters.aws.settings import AwsSettings

__all__ = ["SYSTEM_INTERPRETER", "BedrockSettings"]

SYSTEM_INTERPRETER = "aws.codeinterpreter.v1"
"""AWS's own, which every account has in every region with the service."""

_LONGEST_SESSION_S = 28_800


class BedrockSettings(AwsSettings):
    """The settings, each with its default."""

    table = "bedrock"

    interpreter: str = Field(
        default=SYSTEM_INTERPRETER,
        pattern=r"^(aws\.codeinterpreter\.v1|[a-zA-Z][a-zA-Z0-9_]{0,47}-[a-zA-Z0-9]{10})$",
        description="id of the code interpreter; one of your own may be in a VPC",
    )
    languages: tuple[str, ...] = Field(default=(), description="only these; () is all that are found")
    name_prefix: str = Field(
        default="understudy", pattern=r"^[a-zA-Z0-9]{1,20}$", description="what the names of sessions begin with"
    )
    session_timeout_s: int = Field(
        default=900, ge=60, le=_LONGEST_SESSION_S, description="when AWS itself ends a session for one program, at most"
    )
    live_timeout_s: int = Field(
        default=3600, ge=60, le=_LONGEST_SESSION_S, description="the same for an interpreter that takes commands"
    )
    warm: bool = Field(default=True, description="keep sessions ready ahead of demand; they cost while they wait")
    min_ready: int = Field(default=0, ge=0, le=100, description="sessions kept ready always")
    warm_sessions: int = Field(default=2, ge=0, le=100, description="sessions kept ready at most, after requests came")
    warm_idle_s: int = Field(default=300, ge=1, le=3600, description="how long one waits that nobody asks for")
    max_sessions: int = Field(default=100, ge=1, le=1000, description="sessions of this host at one time, of any kind")
    max_waiting: int = Field(default=1000, ge=0, description="programs that may wait for their turn")
    long_after_s: int = Field(
        default=300, ge=0, le=900, description="programs that may take longer run in the background and are asked after"
    )
    answer_bytes: int = Field(
        default=20_000_000,
        ge=1_000_000,
        le=90_000_000,
        description="of one run's answer as text; files must fit in too",
    )
    proof_every_s: int = Field(
        default=21_600,
        ge=1,
        description="how often a check runs a program of each language, which costs a session each",
    )
    tidy_every_s: float = Field(default=30.0, gt=0, description="how often sessions are looked after")
    prices: str | dict[str, Any] | None = Field(default=None, description="a file or table in place of prices.toml")

    @property
    def most_warm(self) -> int:
        """How many sessions may wait."""
        return max(self.min_ready, self.warm_sessions) if self.warm else 0
