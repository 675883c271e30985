"""The policies plugin: named policies, the validation of code, and what a policy says of a request's files."""

from collections.abc import Awaitable, Iterator
from typing import TYPE_CHECKING, Any

from host.hookspecs import hookimpl

if TYPE_CHECKING:
    from host.interface import Refusal
    from host.models import ExecutionRequest, Verdict
    from host.policy import Policy

__all__ = ["check_policy", "host_started", "host_stopping", "named_policies", "validate_code"]


@hookimpl
def named_policies(settings: Any) -> "Iterator[Policy]":
    """The shipped policies and those of the folder ``policies.folder``."""
    from host.resources import config_folder
    from policies.files import read_policies

    shipped = config_folder() / "policies"
    yield from read_policies(shipped, settings.policies.folder, allow_trusted=settings.policies.allow_trusted)


@hookimpl
def check_policy(request: "ExecutionRequest", policy: "Policy") -> "Refusal | None":
    """Deny files that the policy does not take."""
    from policies.requests import refuse_files

    return refuse_files(request, policy) if request.files else None


@hookimpl
def validate_code(code: str, language: str, policy: "Policy") -> "Verdict | Awaitable[Verdict] | None":
    """Read the code and judge it under the policy."""
    from policies.validation import door

    return door().validate(code, language, policy)


@hookimpl
def host_started(host: Any) -> None:
    """The host's limits hold from now on."""
    from policies.validation import door

    door().enter(host)


@hookimpl
async def host_stopping(host: Any) -> None:
    """End the parsing workers with the last host."""
    from policies.validation import door

    await door().leave(host)
