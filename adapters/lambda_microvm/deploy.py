"""Brings an account in line with a plan: the package in its bucket, the role, the image and its newest version."""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from adapters.aws.calls import Calls
from adapters.aws.errors import About, AwsError
from adapters.aws.kinds import Kind
from adapters.lambda_microvm.plan import ROLE, TRUST, Plan
from adapters.lambda_microvm.service import SERVICE
from host.errors import UnderstudyError

__all__ = ["DeployError", "Deployed", "deploy"]

_UPLOAD_S = 300.0
_LOOK_S = 5.0
_LONGEST_BUILD_S = 1800.0
_NEW_ROLE_PAUSES_S = (1, 2, 3, *(5,) * 10)  # a minute
_CHANGING = frozenset({"CREATING", "UPDATING"})
_REMEDIES = {
    "S3_ACCESS_DENIED": "Allow the role that builds s3:GetObject on the package.",
    "S3_CROSS_REGION_ACCESS_DENIED": "Name a bucket of the same region with --bucket.",
    "S3_NO_SUCH_BUCKET": "Make the bucket, or name another with --bucket.",
    "S3_NO_SUCH_KEY": "Run the command again: the package is not in the bucket any more.",
}
Answer = Mapping[str, Any]
Pause = Callable[[float], Awaitable[None]]


class DeployError(UnderstudyError):
    """An image cannot be set up."""

    type = "deploy"
    title = "A MicroVM image cannot be set up"


class Deployed:
    """An image that is ready.

    Attributes:
        arn: of the image.
        version: its newest, which MicroVMs are started from.
    """

    def __init__(self, arn: str, version: str) -> None:
        self.arn = arn
        self.version = version


async def deploy(calls: Calls, plan: Plan, tell: Callable[[str], None], pause: Pause = asyncio.sleep) -> Deployed:
    """Set the image of a plan up, or bring it up to date. A second time nothing is changed.

    Args:
        calls: to AWS.
        plan: what is to be there.
        tell: takes what was done, a sentence each.
        pause: waits while AWS works.

    Raises:
        AwsError: AWS does not do it.
        DeployError: the image could not be built.
    """
    return await _Deployment(calls, plan, tell, pause).run()


class _Deployment:
    def __init__(self, calls: Calls, plan: Plan, tell: Callable[[str], None], pause: Pause) -> None:
        self._calls, self._plan, self._tell, self._pause = calls, plan, tell, pause
        self._about = About(f"the image {plan.name}")
        self._role_is_new = False

    async def run(self) -> Deployed:
        plan = self._plan
        image = await self._find()
        if image is not None:
            image = await self._settled(str(image["imageArn"]))
            if await self._is_up_to_date(image):
                self._tell(f"image {plan.name}: up to date")
                return Deployed(str(image["imageArn"]), str(image["latestActiveImageVersion"]))
        role = plan.role or await self._role()
        base = plan.base or await self._base()
        await self._upload()
        made = await self._make(image, plan.configuration(role, base))
        arn, version = str(made["imageArn"]), str(made["imageVersion"])
        self._tell(f"image {plan.name}: AWS builds version {version}; that takes some minutes")
        image = await self._settled(arn)
        if image.get("latestActiveImageVersion") != version:
            await self._must_have_been_built(arn, version)
            await self._ask(
                "update_microvm_image_version",
                {"imageIdentifier": arn, "imageVersion": version, "status": "ACTIVE"},
            )
        self._tell(f"image {plan.name}: version {version} is ready")
        return Deployed(arn, version)

    async def _find(self) -> Answer | None:
        params = {"nameFilter": self._plan.name, "maxResults": 50}
        items = await self._calls.listed(SERVICE, "list_microvm_images", params, items="items")
        return next((item for item in items if item["name"] == self._plan.name and item["state"] != "DELETED"), None)

    async def _is_up_to_date(self, image: Answer) -> bool:
        version = image.get("latestActiveImageVersion")
        if not version:
            return False
        params = {"imageIdentifier": image["imageArn"], "imageVersion": version}
        return self._plan.is_what(await self._ask("get_microvm_image_version", params))

    async def _role(self) -> str:
        """The role of that name; made where there is none. What it may do is said anew each time."""
        about = About(f"the role {ROLE}")
        try:
            said: Answer = await self._calls.again("iam", "get_role", {"RoleName": ROLE}, about=about)
        except AwsError as error:
            if error.kind is not Kind.NOT_FOUND:
                raise
            params = {"RoleName": ROLE, "AssumeRolePolicyDocument": json.dumps(TRUST)}
            said = await self._calls.probe("iam", "create_role", params, about=about)
            self._role_is_new = True
            self._tell(f"role {ROLE}: created")
        document = json.dumps(self._plan.build_policy())
        params = {"RoleName": ROLE, "PolicyName": "build", "PolicyDocument": document}
        await self._calls.again("iam", "put_role_policy", params, about=about)
        return str(said["Role"]["Arn"])

    async def _base(self) -> str:
        items = await self._calls.listed(SERVICE, "list_managed_microvm_images", {"maxResults": 50}, items="items")
        if not items:
            raise DeployError("AWS has no image to build on in this region.", remedy="Name another with --region.")
        return str(max(items, key=lambda item: item["createdAt"])["imageArn"])

    async def _upload(self) -> None:
        plan = self._plan
        params = {"Bucket": plan.bucket, "Key": plan.key, "Body": plan.zip}
        about = About(f"the bucket {plan.bucket}", "Make it in the same region, or name another with --bucket.")
        await self._calls.again("s3", "put_object", params, read_timeout_s=_UPLOAD_S, about=about)
        self._tell(f"package: {plan.uri}")

    async def _make(self, image: Answer | None, configuration: Mapping[str, Any]) -> Answer:
        """A new image, or a new version of one. Client tokens count for ever, so each attempt has its own."""
        params = {**configuration, "clientToken": f"understudy-{uuid.uuid4()}"}
        if image is None:
            operation, params = "create_microvm_image", {**params, "name": self._plan.name}
        else:
            operation, params = "update_microvm_image", {**params, "imageIdentifier": image["imageArn"]}
        for wait_s in _NEW_ROLE_PAUSES_S if self._role_is_new else ():
            try:
                return await self._ask(operation, params)
            except AwsError as error:
                if "assume" not in error.message:  # a new role takes a while to be known everywhere
                    raise
                await self._pause(wait_s)
        return await self._ask(operation, params)

    async def _settled(self, arn: str) -> Answer:
        """The image once AWS is not building any more.

        Raises:
            DeployError: the build failed, or takes too long.
        """
        from tenacity import AsyncRetrying, RetryError, retry_if_result, stop_after_attempt, wait_fixed

        async def look() -> Answer:
            return await self._ask("get_microvm_image", {"imageIdentifier": arn})

        looking = AsyncRetrying(
            retry=retry_if_result(lambda image: image["state"] in _CHANGING),
            stop=stop_after_attempt(int(_LONGEST_BUILD_S / _LOOK_S)),
            wait=wait_fixed(_LOOK_S),
            sleep=self._pause,
        )
        try:
            return await looking(look)
        except RetryError:
            raise DeployError(
                f"AWS is still building image {self._plan.name}.", remedy="Run the command again in a while."
            ) from None

    async def _must_have_been_built(self, arn: str, version: str) -> None:
        named = {"imageIdentifier": arn, "imageVersion": version}
        said = await self._ask("get_microvm_image_version", named)
        if said["state"] == "SUCCESSFUL":
            return
        builds = (await self._ask("list_microvm_image_builds", named))["items"]
        reasons = {str(build["stateReason"]) for build in builds if build.get("stateReason")}
        reason = "; ".join(sorted(reasons)) or str(said.get("stateReason") or "AWS gives no reason")
        remedy = next((text for code, text in _REMEDIES.items() if code in reason), None)
        raise DeployError(
            f"AWS could not build version {version} of image {self._plan.name}: {reason}.",
            remedy=remedy or f"CloudWatch has what the build said, in {self._plan.log_group}.",
        )

    async def _ask(self, operation: str, params: Answer) -> Answer:
        said: Answer = await self._calls.again(SERVICE, operation, params, about=self._about)
        return said
