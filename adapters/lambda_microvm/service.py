"""The calls of the service ``lambda-microvms``. None of them runs a caller's code, so each may be made twice."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.aws.calls import Calls
from adapters.aws.errors import About, AwsError
from adapters.aws.kinds import KINDS, Kind
from adapters.aws.retries import Retries
from adapters.lambda_microvm.settings import MicrovmSettings
from host.errors import AdapterError

__all__ = ["DEPLOY", "OVER", "PORT", "SERVICE", "Attempt", "Service"]

SERVICE = "lambda-microvms"
DEPLOY = "understudy deploy microvm"
OVER = frozenset({"SUSPENDING", "SUSPENDED", "TERMINATING", "TERMINATED"})
"""States out of which no program of ours comes back."""
PORT = 8080
"""Where our server listens in a MicroVM."""
_PAGE = 50


@dataclass(slots=True)
class Attempt:
    """One start of a MicroVM.

    Attributes:
        doubtful: there may be a MicroVM though nobody was told of it.
    """

    doubtful: bool = False


class Service:
    """The service, for one adapter.

    Args:
        calls: how calls are made.
        settings: which image.
    """

    def __init__(self, calls: Calls, settings: MicrovmSettings) -> None:
        self._calls = calls
        self._settings = settings
        self._arn = settings.image if settings.image.startswith("arn:") else ""
        self._finding = asyncio.Lock()
        self._about = About(
            f"the image {settings.image}", f"Make it with `{DEPLOY}`, or set image to one that is there."
        )

    @property
    def region(self) -> str:
        """Where it works; "" before that is known."""
        return self._calls.clients.region

    async def image(self) -> str:
        """The ARN of the image.

        Raises:
            AwsError: the images cannot be listed.
            AdapterError: there is none of that name.
        """
        async with self._finding:
            if not self._arn:
                self._arn = await self._named(self._settings.image)
        return self._arn

    async def describe_image(self) -> Mapping[str, Any]:
        """What the service says of the image.

        Raises:
            AwsError: it does not answer, or has no such image.
        """
        params = {"imageIdentifier": await self.image()}
        described: Mapping[str, Any] = await self._calls.probe(SERVICE, "get_microvm_image", params, about=self._about)
        return described

    async def run(self, params: Mapping[str, Any], attempt: Attempt) -> Mapping[str, Any]:
        """Start a MicroVM. With the same client token it is the same MicroVM.

        Raises:
            AwsError: it was not started; ``attempt`` says whether that is certain.
        """

        async def one() -> Mapping[str, Any]:
            before, attempt.doubtful = attempt.doubtful, True
            try:
                answer: Mapping[str, Any] = await self._calls.again(
                    SERVICE, "run_microvm", params, attempts=1, about=self._about
                )
            except AwsError as error:
                attempt.doubtful = before or KINDS[error.kind].may_have_started
                raise
            return answer

        return await Retries().of(one)

    async def get(self, microvm: str) -> Mapping[str, Any]:
        """What the service says of a MicroVM; its state may lag behind.

        Raises:
            AwsError: it does not say.
        """
        params = {"microvmIdentifier": microvm}
        said: Mapping[str, Any] = await self._calls.again(SERVICE, "get_microvm", params)
        return said

    async def token(self, microvm: str, minutes: int) -> str:
        """A new token for the door of a MicroVM. It is a secret.

        Raises:
            AwsError: there is none yet, or none for us.
        """
        params = {
            "microvmIdentifier": microvm,
            "expirationInMinutes": minutes,
            "allowedPorts": [{"port": PORT}],
        }
        answer: Mapping[str, Any] = await self._calls.again(SERVICE, "create_microvm_auth_token", params, attempts=1)
        return str(answer["authToken"]["X-aws-proxy-auth"])

    async def terminate(self, microvm: str) -> bool:
        """End a MicroVM. False where there is none of that name.

        Raises:
            AwsError: it may go on.
        """
        try:
            await self._calls.again(SERVICE, "terminate_microvm", {"microvmIdentifier": microvm})
        except AwsError as error:
            if error.kind is Kind.NOT_FOUND:
                return False
            raise
        return True

    async def all(self) -> list[Mapping[str, Any]]:
        """The MicroVMs of our image that are not over.

        Raises:
            AwsError: they cannot be listed.
        """
        params = {"imageIdentifier": await self.image(), "maxResults": _PAGE}
        items = await self._calls.listed(SERVICE, "list_microvms", params, items="items")
        return [item for item in items if item["state"] not in ("TERMINATING", "TERMINATED")]

    async def _named(self, name: str) -> str:
        params = {"nameFilter": name, "maxResults": _PAGE}
        items = await self._calls.listed(SERVICE, "list_microvm_images", params, items="items")
        for item in items:
            if item["name"] == name:
                return str(item["imageArn"])
        where = f" in {self.region}" if self.region else ""
        raise AdapterError(
            f"There is no MicroVM image {name}{where}.", remedy=self._about.missing, may_have_started=False
        )
