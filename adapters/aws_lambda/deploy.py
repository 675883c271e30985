"""Brings an account in line with a plan: makes what is missing, changes what differs, leaves what is right."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from adapters.aws.calls import Calls
from adapters.aws.errors import About, AwsError
from adapters.aws.kinds import Kind
from adapters.aws_lambda.package import MOST_ZIPPED_BYTES, PackageError
from adapters.aws_lambda.plan import Plan, Planned
from adapters.aws_lambda.template import TRUST
from host.errors import UnderstudyError

__all__ = ["ROLE", "DeployError", "deploy"]

ROLE = "understudy-runner"
"""The role that is made where none is named."""

_ROLE_SAYS = "Runs Understudy's functions. No permissions, on purpose."
_UPLOAD_TIMEOUT_S = 300.0
_PAUSES_S = (0.2, 0.5, 1, 2, *(3,) * 40)  # two minutes
_Answer = Mapping[str, Any]


class DeployError(UnderstudyError):
    """A function cannot be set up as it is wanted."""

    type = "deploy"
    title = "A function cannot be set up"


async def deploy(
    calls: Calls,
    plan: Plan,
    tell: Callable[[str], None],
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Set the functions of a plan up.

    Args:
        calls: to AWS.
        plan: what is to be there.
        tell: takes what was done, a sentence each.
        pause: waits while a change takes effect.

    Raises:
        AwsError: AWS does not do it.
        UnderstudyError: it cannot be done.
    """
    for function in plan.functions:
        if function.is_large and not plan.bucket:
            raise PackageError(
                f"the package of {function.language} has {len(function.zip) >> 20} MiB, and a call to Lambda takes "
                f"{MOST_ZIPPED_BYTES >> 20}.",
                remedy="Name a bucket of the same region with --bucket; the package goes through it.",
            )
    role = plan.role or await _role(calls, tell)
    for function in plan.functions:
        await _Deployed(calls, plan, function, role, tell, pause).bring_in_line()


async def _role(calls: Calls, tell: Callable[[str], None]) -> str:
    """The role of that name; made where there is none."""
    about = About(f"the role {ROLE}")
    try:
        said: _Answer = await calls.again("iam", "get_role", {"RoleName": ROLE}, about=about)
    except AwsError as error:
        if error.kind is not Kind.NOT_FOUND:
            raise
        params = {"RoleName": ROLE, "AssumeRolePolicyDocument": json.dumps(TRUST), "Description": _ROLE_SAYS}
        said = await calls.probe("iam", "create_role", params, about=about)
        tell(f"role {ROLE}: created, without permissions")
    return str(said["Role"]["Arn"])


class _Deployed:
    """One function on its way to what it is to be."""

    def __init__(
        self,
        calls: Calls,
        plan: Plan,
        function: Planned,
        role: str,
        tell: Callable[[str], None],
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self._calls, self._plan, self._function, self._role = calls, plan, function, role
        self._tell, self._pause = tell, pause
        self._about = About(f"the function {function.name}")
        self._named = {"FunctionName": function.name}

    async def bring_in_line(self) -> None:
        """Make it, or change what differs."""
        try:
            said = await self._ask("get_function_configuration")
        except AwsError as error:
            if error.kind is not Kind.NOT_FOUND:
                raise
            await self._create()
            await self._reserve()
            self._tell(f"{self._function.name}: created")
            return
        self._check_tenants(said)
        done = [*await self._change_code(said), *await self._change_settings(said), *await self._reserve()]
        self._tell(f"{self._function.name}: {', '.join(done) or 'up to date'}")

    async def _create(self) -> None:
        function = self._function
        params: dict[str, Any] = {
            **self._named,
            **function.settings,
            "Role": self._role,
            "Architectures": [function.architecture],
            "Code": await self._code(),
        }
        if self._plan.per_tenant:
            params["TenancyConfig"] = {"TenantIsolationMode": "PER_TENANT"}
        for wait_s in _PAUSES_S:
            try:
                await self._ask("create_function", params, once=True)
                break
            except AwsError as error:
                if "cannot be assumed" not in error.message:  # a new role takes a while to be known everywhere
                    raise
                await self._pause(wait_s)
        else:
            raise DeployError(f"Lambda cannot use the role {self._role} yet.", remedy="Run the command again.")
        await self._settled()

    def _check_tenants(self, said: _Answer) -> None:
        isolates = said.get("TenancyConfig", {}).get("TenantIsolationMode") == "PER_TENANT"
        if isolates != self._plan.per_tenant:
            has = "isolates tenants" if isolates else "does not isolate tenants"
            raise DeployError(
                f"the function {self._function.name} {has}, and Lambda lets that be said only when it is made.",
                remedy=f"Delete it with `aws lambda delete-function --function-name {self._function.name}` and deploy "
                f"again, or deploy {'with' if isolates else 'without'} --tenant-isolation.",
            )

    async def _change_code(self, said: _Answer) -> list[str]:
        function = self._function
        if said.get("CodeSha256") == function.code_sha256 and said.get("Architectures") == [function.architecture]:
            return []
        await self._settled()
        params = {**self._named, "Architectures": [function.architecture], **await self._code()}
        await self._ask("update_function_code", params)
        await self._settled()
        return ["new code"]

    async def _change_settings(self, said: _Answer) -> list[str]:
        wanted = dict(self._function.settings)
        if self._plan.role:
            wanted["Role"] = self._plan.role
        changed = {name: value for name, value in wanted.items() if said.get(name) != value}
        if not changed:
            return []
        await self._settled()
        await self._ask("update_function_configuration", {**self._named, **changed})
        await self._settled()
        return [f"new {', '.join(sorted(changed))}"]

    async def _reserve(self) -> list[str]:
        wanted = self._plan.reserved
        if wanted is None:
            return []
        said = await self._ask("get_function_concurrency")
        if said.get("ReservedConcurrentExecutions") == wanted:
            return []
        await self._ask("put_function_concurrency", {**self._named, "ReservedConcurrentExecutions": wanted})
        return [f"reserved concurrency {wanted}"]

    async def _code(self) -> _Answer:
        """Where Lambda finds the package: in the call, or in the bucket to which it goes now."""
        function, bucket = self._function, self._plan.bucket
        if not bucket:
            return {"ZipFile": function.zip}
        params = {"Bucket": bucket, "Key": function.key, "Body": function.zip}
        about = About(f"the bucket {bucket}", "Make it in the same region, or name another with --bucket.")
        await self._calls.again("s3", "put_object", params, read_timeout_s=_UPLOAD_TIMEOUT_S, about=about)
        return {"S3Bucket": bucket, "S3Key": function.key}

    async def _settled(self) -> None:
        """Wait until no change of the function is under way."""
        for wait_s in _PAUSES_S:
            said = await self._ask("get_function_configuration")
            state, update = said.get("State", "Active"), said.get("LastUpdateStatus", "Successful")
            if "Failed" in (state, update):
                reason = said.get("StateReason") if state == "Failed" else said.get("LastUpdateStatusReason")
                raise DeployError(
                    f"Lambda could not set {self._function.name} up: {reason}.", remedy="Mend what the reason names."
                )
            if state != "Pending" and update != "InProgress":
                return
            await self._pause(wait_s)
        raise DeployError(f"{self._function.name} is still changing.", remedy="Run the command again in a while.")

    async def _ask(self, operation: str, params: _Answer | None = None, *, once: bool = False) -> _Answer:
        call = self._calls.probe if once else self._calls.again
        given = self._named if params is None else params
        return await call("lambda", operation, given, read_timeout_s=_UPLOAD_TIMEOUT_S, about=self._about)
