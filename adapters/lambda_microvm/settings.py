"""What the table ``[adapters.lambda_microvm]`` may say."""

from typing import Any

from pydantic import Field

from adapters.aws.settings import AwsSettings

__all__ = ["LONGEST_S", "NAME", "MicrovmSettings"]

NAME = "lambda_microvm"
LONGEST_S = 28_800
"""What AWS lets a MicroVM live at most."""
_LANGUAGES = ("python", "javascript", "typescript", "sql", "bash", "elixir")


class MicrovmSettings(AwsSettings):
    """The settings, each with its default."""

    table = NAME

    image: str = Field(default="understudy", min_length=1, description="the image, by its ARN or its name")
    version: str = Field(default="", description="of the image, as 2.0; '' is its latest active one")
    egress_connector: str = Field(
        default="",
        description="ARN of a VPC egress connector that lets nothing out, in place of AWS's way to the internet",
    )
    languages: tuple[str, ...] = Field(default=_LANGUAGES, min_length=1, description="what is asked of the image")
    guest_environment: str = Field(default="base", description="what the image was deployed with for Python programs")
    max_running: int = Field(default=16, ge=1, le=1000, description="MicroVMs with a program or a session, at one time")
    max_waiting: int = Field(default=1000, ge=0, description="programs that may wait for their turn")
    warm: int = Field(default=0, ge=0, le=100, description="MicroVMs kept ready; they are paid for while they wait")
    warm_s: int = Field(default=900, ge=60, le=LONGEST_S, description="how long one may wait before it is replaced")
    session_s: int = Field(default=3900, ge=60, le=LONGEST_S, description="how long the MicroVM of a session may live")
    idle_s: int = Field(default=900, ge=60, le=LONGEST_S, description="without a command AWS ends a session after this")
    start_timeout_s: float = Field(default=60, gt=0, le=600, description="how long a MicroVM may take to be ready")
    proof_every_s: int = Field(default=3600, ge=0, description="a check runs a program of each language this often")
    ca_bundle: str = Field(default="", description="file of certificates; '' is that of boto3")
    prices: str | dict[str, Any] | None = Field(default=None, description="a price table in place of ours")
