"""Whether region and credentials are set: a look at this machine, before anything is asked of AWS."""

import asyncio

from adapters.aws.calls import Calls
from adapters.aws.errors import AwsError, Call, finding
from adapters.aws.kinds import Phase
from adapters.aws.threads import Ticket
from host.interface import Finding

__all__ = ["look"]

_SOURCES = {
    "assume-role": "by assuming the role of a profile",
    "assume-role-with-web-identity": "by a web identity token",
    "config-file": "in the AWS configuration file",
    "container-role": "from the role of this container",
    "custom-process": "from the command that a profile names",
    "env": "in the environment",
    "iam-role": "from the role of this machine",
    "login": "from `aws login`",
    "shared-credentials-file": "in the AWS credentials file",
    "sso": "from AWS IAM Identity Center",
}


async def look(calls: Calls, within_s: float = 3.0) -> tuple[Finding, ...]:
    """What is found of region and credentials, as two findings. No call is made to a service.

    Where nothing else gives credentials boto3 asks the machine's metadata service, which ``AWS_EC2_METADATA_DISABLED``
    switches off. That is the only network it uses, and it is given up after ``within_s`` seconds.
    """
    call = Call(calls.adapter, "sts", "get_credentials", Phase.PROBING)

    def ask(_: Ticket) -> str | None:
        credentials = calls.clients.credentials()
        return None if credentials is None else str(credentials.method)

    try:
        async with asyncio.timeout(within_s):
            source = await calls.run(ask, call)
    except AwsError as error:
        return _region(calls), finding(error, "AWS credentials")
    except TimeoutError:
        reason = f"no AWS credentials were found within {within_s:g} s: the machine's metadata service does not answer"
        remedy = "set credentials or a profile; AWS_EC2_METADATA_DISABLED=true stops asking the machine"
        return _region(calls), Finding(name="AWS credentials", ok=False, reason=reason, remedy=remedy)
    if source is None:
        reason = "no AWS credentials were found"
        remedy = f"`aws configure`, `aws sso login`, profile in [adapters.{calls.adapter}], or a role for this machine"
        return _region(calls), Finding(name="AWS credentials", ok=False, reason=reason, remedy=remedy)
    reason = f"found {_SOURCES.get(source, source)}; whether AWS accepts them only a call can tell"
    return _region(calls), Finding(name="AWS credentials", ok=True, reason=reason)


def _region(calls: Calls) -> Finding:
    if calls.clients.region:
        return Finding(name="AWS region", ok=True, reason=calls.clients.region)
    remedy = f"region in [adapters.{calls.adapter}], in the AWS profile, or AWS_DEFAULT_REGION"
    return Finding(name="AWS region", ok=False, reason="no AWS region is set", remedy=remedy)
