"""What the table ``[adapters.lambda]`` may say."""

from typing import Any

from pydantic import Field

from adapters.aws.settings import AwsSettings

__all__ = ["PREFIX", "LambdaSettings"]

PREFIX = "understudy-runner"


class LambdaSettings(AwsSettings):
    """The settings, each with its default."""

    table = "lambda"

    max_running: int = Field(
        default=64, ge=1, le=1000, description="programs at one time, those that nobody waits for any more among them"
    )
    functions: str = Field(
        default=PREFIX, min_length=1, description="what the functions' names begin with; -python and so on follows"
    )
    qualifier: str = Field(default="", description="a version or an alias; '' is the newest")
    tenant: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9._:/=+@ -]{0,256}$",
        description="whose program it is, for functions with tenant isolation, which never mix tenants in one "
        "environment: '' or 'actor' is the request's actor, anything else one tenant for all",
    )
    proof_every_s: int = Field(
        default=3600, ge=1, description="how often a check runs a program in each function, which costs money"
    )
    prices: str | dict[str, Any] | None = Field(default=None, description="a file or table in place of ours")
    memory_mb: int = Field(default=1024, ge=128, le=10_240, description="what deployed functions get")
    timeout_s: int = Field(default=60, ge=10, le=900, description="when Lambda itself ends a deployed function's call")

    def function(self, language: str) -> str:
        """The name of the function that runs a language."""
        return f"{self.functions}-{language}"

    @property
    def redeploy(self) -> str:
        """The command that sets the functions up, or brings them up to date."""
        words = ["understudy deploy lambda"]
        words += [f"--region {self.region}"] if self.region else []
        words += [f"--profile {self.profile}"] if self.profile else []
        return " ".join(words)
