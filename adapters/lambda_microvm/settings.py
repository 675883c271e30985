"""What the table ``[adapters.lambda_microvm]`` may say."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.aws.clients import AwsSettings
from host.errors import AdapterError

__all__ = ["LONGEST_S", "NAME", "MicrovmSettings"]

NAME = "lambda_microvm"
LONGEST_S = 28_800
"""What AWS lets a MicroVM live at most."""
_LANGUAGES = ("python", "javascript", "typescript", "sql", "bash", "elixir")


class MicrovmSettings(BaseModel):
    """The settings, each with its default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = False
    region: str = Field(default="", description="'' takes it from the profile or from boto3's variables")
    profile: str = Field(default="", description="of the AWS configuration files; '' is boto3's own chain")
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
    prices: str | Mapping[str, Any] | None = Field(default=None, description="a price table in place of ours")

    @property
    def aws(self) -> AwsSettings:
        """What every adapter on AWS has."""
        return AwsSettings(region=self.region, profile=self.profile, max_running=self.max_running)

    @classmethod
    def read(cls, table: Mapping[str, Any]) -> "MicrovmSettings":
        """The settings in a table of the configuration.

        Raises:
            AdapterError: one is unknown or wrong.
        """
        try:
            return cls.model_validate(dict(table))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise AdapterError(
                f"adapters.{NAME}.{'.'.join(map(str, first['loc']))} is wrong: {first['msg']}",
                remedy="docs/aws.md says what it may be.",
                may_have_started=False,
            ) from None
