"""What an error on AWS says to people: the thing, the reason, the remedy. The sentences are ours.

What a service said is quoted after them, short and without credentials.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from adapters.aws.kinds import Kind
from adapters.aws.remedies import action_of

__all__ = ["SIGN_IN", "Said", "sentence"]

_TITLES = {
    "bedrock-agentcore": "Bedrock AgentCore",
    "bedrock-agentcore-control": "Bedrock AgentCore",
    "lambda": "AWS Lambda",
    "lambda-microvms": "Lambda MicroVMs",
    "signin": "AWS sign-in",
    "sso": "AWS IAM Identity Center",
    "sts": "AWS STS",
}
SIGN_IN = {
    "AssumeRole": "sts",
    "AssumeRoleWithWebIdentity": "sts",
    "CreateOAuth2Token": "signin",
    "CreateToken": "sso",
    "GetRoleCredentials": "sso",
}
"""The operations by which boto3 gets credentials of its own accord, and their services."""

_ACTION = re.compile(r"not authorized to perform:?\s+([a-z0-9-]+:[A-Za-z0-9*]+)|allows the ([a-z0-9-]+:[A-Za-z0-9*]+)")
_RESOURCE = re.compile(r"on (?:the following )?resource:?\s+(arn:[^\s\"',]+)")
_DENY = re.compile(r"explicit deny in (?:an? )?([a-z-]+(?: [a-z-]+)*)")
_HOST = re.compile(r"https?://(?:[^/@\s]*@)?(\[[0-9a-f:.]+\]|[A-Za-z0-9.-]+)(:\d+)?")
_VALUE = re.compile(r", value: .*?(?=, (?:type:|valid )|$)", re.DOTALL)
_NOT_OPEN = frozenset({"NotSignedUp", "OptInRequired", "SubscriptionRequiredException"})
_CLOCK = frozenset({"RequestExpired", "RequestTimeTooSkewed"})
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "ExpiredTokenIdException", "TokenRefreshRequired"})


@dataclass(frozen=True, slots=True)
class Said:
    """What is known of a failure.

    Attributes:
        adapter: the adapter's name.
        service: as boto3 names it.
        operation: as the API names it.
        region: where the call went, or "".
        about: what was to be used, or "".
        missing: the remedy where that does not exist, or "".
        code: the service's error code, or the name of the exception's class.
        text: what the service or the library said, without credentials.
        answered: a service said so; otherwise it is boto3 itself.
    """

    adapter: str
    service: str
    operation: str
    region: str
    about: str
    missing: str
    code: str
    text: str
    answered: bool

    @property
    def title(self) -> str:
        """The service for people, with its region."""
        name = _TITLES.get(self.service, self.service)
        return f"{name} in {self.region}" if self.region else name

    @property
    def quoted(self) -> str:
        """What the service said, as a sentence of its own."""
        return f" It said: {self.text.rstrip('.')}." if self.text else ""

    @property
    def table(self) -> str:
        """The adapter's table in the configuration."""
        return f"[adapters.{self.adapter}]"


def sentence(kind: Kind, said: Said) -> tuple[str, str]:
    """The message and its remedy."""
    return _SENTENCES[kind](said)


_SET_UP = {
    "NoRegionError": (
        "No AWS region is set.",
        "Set region in {table}, in the AWS profile, or in AWS_DEFAULT_REGION.",
    ),
    "NoCredentialsError": (
        "No AWS credentials were found.",
        "Run `aws configure` or `aws sso login`, name a profile in {table}, or give this machine a role.",
    ),
    "PartialCredentialsError": (
        "The AWS credentials are not complete.",
        "Set both the access key id and the secret access key, or neither.",
    ),
    "ProfileNotFound": (
        "There is no such AWS profile.",
        "Set profile in {table} to one of `aws configure list-profiles`.",
    ),
    "SSOTokenLoadError": ("Nobody has signed in to AWS with this profile.", "Run `aws sso login`."),
    "LoginTokenLoadError": ("Nobody has signed in to AWS with this profile.", "Run `aws login`."),
    "RefreshWithMFAUnsupportedError": (
        "The AWS profile asks for a code of a multi-factor device, and a service cannot type one.",
        "Name another profile in {table}.",
    ),
    "UnknownServiceError": ("The installed boto3 does not know the service.", "Run `pip install --upgrade boto3`."),
    "MissingDependencyException": ("boto3 lacks a package for this set-up.", "Run `pip install 'botocore[crt]'`."),
}


def _not_configured(said: Said) -> tuple[str, str]:
    message, remedy = _SET_UP.get(
        said.code, (f"AWS is not set up well ({said.code}).", "Mend the AWS configuration that it names, or {table}.")
    )
    if said.code not in ("NoRegionError", "NoCredentialsError"):
        message += said.quoted
    return message, remedy.format(table=said.table)


def _unreachable(said: Said) -> tuple[str, str]:
    host = _HOST.search(said.text)
    where = f" at {host[1]}{host[2] or ''}" if host else ""
    message = f"{said.title} cannot be reached{where} ({said.code}): no connection was made, so nothing was sent."
    region = f"region {said.region}" if said.region else "the region"
    return message, (
        f"Check network, proxy and certificates. If they are well, {region} does not have the service: "
        f"set region in {said.table} to one that has."
    )


def _credentials(said: Said) -> tuple[str, str]:
    if said.code in _CLOCK or "signature expired" in said.text.lower() or "not yet current" in said.text.lower():
        return f"{said.title} finds the time of the request wrong ({said.code}).", "Set this machine's clock."
    if said.code in _EXPIRED:
        return (
            f"The AWS credentials have expired ({said.code}).",
            "Renew them, as with `aws sso login`; those of a role renew themselves.",
        )
    if not said.answered or said.service in SIGN_IN.values():
        return (
            f"AWS credentials could not be had ({said.code}).{said.quoted}",
            f"Sign in again, as with `aws sso login`, or name another profile in {said.table}.",
        )
    return (
        f"{said.title} does not accept the AWS credentials ({said.code}).",
        f"Check them with `aws sts get-caller-identity`, or name another profile in {said.table}; a region that is not "
        "switched on for the account answers so too.",
    )


def _denied(said: Said) -> tuple[str, str]:
    if said.code in _NOT_OPEN:
        message = f"{said.title} is not switched on for the AWS account ({said.code}).{said.quoted}"
        return message, f"Switch it on in the AWS console, or set region in {said.table} to one where it is."
    found = _ACTION.search(said.text)
    action = (found[1] or found[2]) if found else action_of(said.service, said.operation)
    resource = _RESOURCE.search(said.text)
    on = f" on {resource[1]}" if resource else ""
    message = f"{said.title} denied {action}{on}: these credentials may not do that ({said.code})."
    if deny := _DENY.search(said.text):
        return message, f"An explicit deny in {_an(deny[1])} forbids {action}; only lifting it helps."
    remedy = f"Allow {action} in IAM; docs/aws.md has the policy to paste."
    if not said.text or said.text == "None":
        remedy += f" If it is allowed already, the region does not have the service: set region in {said.table}."
    return message, remedy


def _busy(said: Said) -> tuple[str, str]:
    message = f"{said.title} takes no more {said.operation} just now ({said.code}).{said.quoted}"
    return message, "Try again later. If it happens often, ask for a higher quota in Service Quotas."


def _full(said: Said) -> tuple[str, str]:
    message = f"A quota of the AWS account is used up ({said.code}).{said.quoted}"
    return message, "Remove what is not needed, or ask for a higher quota in Service Quotas."


def _invalid(said: Said) -> tuple[str, str]:
    text = _VALUE.sub("", said.text)
    quoted = f" It said: {text.rstrip('.')}." if text else ""
    return f"{said.title} does not take this {said.operation} ({said.code}).{quoted}", ""


def _not_found(said: Said) -> tuple[str, str]:
    about = said.about or "what it asks for"
    message = f"{said.title} has not got {about} ({said.code}).{said.quoted}"
    return message, said.missing or f"Check its name and the region in {said.table}."


def _unusable(said: Said) -> tuple[str, str]:
    about = said.about or "what it asks for"
    message = f"{said.title} has {about}, and it cannot work ({said.code}).{said.quoted}"
    return message, said.missing or "Mend what the reason names, or set it up again."


def _too_large(said: Said) -> tuple[str, str]:
    message = f"The request is larger than {said.title} takes ({said.code}).{said.quoted}"
    return message, "Send less code, fewer inputs or smaller files."


def _service_fault(said: Said) -> tuple[str, str]:
    message = f"{said.title} failed while it was asked for {said.operation} ({said.code}).{said.quoted}"
    return message, "Try again later; https://health.aws.amazon.com says whether AWS has trouble."


def _cut(said: Said) -> tuple[str, str]:
    if said.code in ("ReadTimeoutError", "TimeoutError"):
        return f"{said.title} did not answer {said.operation} in time.", "Try again later."
    return (
        f"The connection to {said.title} was lost before {said.operation} was answered ({said.code}).",
        "Check the network between this host and AWS.",
    )


def _closed(said: Said) -> tuple[str, str]:
    return f"Adapter {said.adapter} was closed before {said.title} answered {said.operation}.", ""


def _internal(said: Said) -> tuple[str, str]:
    message = f"Adapter {said.adapter} failed in {said.operation} ({said.code}).{said.quoted}"
    return message, "Report this as a fault of the adapter."


def _an(thing: str) -> str:
    return f"an {thing}" if thing[:1] in "aeio" else f"a {thing}"


_SENTENCES: Mapping[Kind, Callable[[Said], tuple[str, str]]] = {
    Kind.NOT_CONFIGURED: _not_configured,
    Kind.UNREACHABLE: _unreachable,
    Kind.CREDENTIALS: _credentials,
    Kind.DENIED: _denied,
    Kind.BUSY: _busy,
    Kind.FULL: _full,
    Kind.INVALID: _invalid,
    Kind.NOT_FOUND: _not_found,
    Kind.UNUSABLE: _unusable,
    Kind.TOO_LARGE: _too_large,
    Kind.SERVICE_FAULT: _service_fault,
    Kind.CUT: _cut,
    Kind.CLOSED: _closed,
    Kind.INTERNAL: _internal,
}
