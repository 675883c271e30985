"""What every adapter on AWS has in its table."""

from pydantic import Field

from host.tables import AdapterTable

__all__ = ["AwsSettings"]


class AwsSettings(AdapterTable):
    """Where its AWS is, and how much it may ask of it."""

    page = "docs/aws.md"

    enabled: bool = Field(default=False, description="whether it is used; its programs cost money")
    region: str = Field(default="", description="'' takes it from the profile or from boto3's variables")
    profile: str = Field(default="", description="of the AWS configuration files; '' is boto3's own chain")
    max_running: int = Field(default=64, ge=1, le=1000, description="programs at one time")
