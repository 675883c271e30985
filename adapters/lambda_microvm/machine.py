"""One MicroVM, from its start to the moment when somebody else ends it."""

import asyncio
import math
import ssl
from contextlib import AbstractAsyncContextManager

from adapters.aws.errors import AwsError
from adapters.aws.kinds import Kind
from adapters.aws.redaction import redacted, shortened
from adapters.lambda_microvm.door import Door, NotYet, Pieces
from adapters.lambda_microvm.facts import Facts
from adapters.lambda_microvm.package import package_hash
from adapters.lambda_microvm.service import DEPLOY, OVER, Service
from host.errors import AdapterError

__all__ = ["Machine", "MachineIsOver"]

_FIRST_WAIT_S = 0.05
_LONGEST_WAIT_S = 1.0
_GROWTH = 1.5
_LOOK_EVERY = 4
_TOKEN_MINUTES = 60
_ROOM_S = 30.0


class MachineIsOver(AdapterError):
    """AWS has ended the MicroVM, or is about to."""


class Machine:
    """A MicroVM.

    Args:
        service: who runs it.
        microvm: its id.
        endpoint: where its door is.
        context: whom to trust there.
        lifetime_s: after which AWS ends it.

    Attributes:
        id: its id.
        facts: what it says that it is, once it is ready.
    """

    facts: Facts

    def __init__(
        self, service: Service, microvm: str, endpoint: str, context: ssl.SSLContext, lifetime_s: float
    ) -> None:
        self.id = microvm
        self._service = service
        self._door = Door(microvm, endpoint, context)
        self._clock = asyncio.get_running_loop().time
        self._born = self._clock()
        self._until = self._born + lifetime_s
        self._token = ""
        self._token_until = 0.0
        self._heard = 0.0

    @property
    def age_s(self) -> float:
        """How long it has been there."""
        return self._clock() - self._born

    @property
    def left_s(self) -> float:
        """How long AWS lets it live on."""
        return self._until - self._clock()

    @property
    def silent_s(self) -> float:
        """How long ago it was last heard."""
        return self._clock() - self._heard

    async def become_ready(self, within_s: float) -> None:
        """Wait until its server answers. What the service says of its state comes late; its door is asked instead.

        Raises:
            AdapterError: it does not, or AWS has ended it.
        """
        said, tries, wait_s = "nothing yet", 0, _FIRST_WAIT_S
        try:
            async with asyncio.timeout(within_s):
                while True:
                    try:
                        await self.look()
                        return
                    except NotYet as answer:
                        said = str(answer)
                    tries += 1
                    if tries % _LOOK_EVERY == 0:
                        await self.must_live()
                    await asyncio.sleep(wait_s)
                    wait_s = min(wait_s * _GROWTH, _LONGEST_WAIT_S)
        except TimeoutError:
            raise AdapterError(
                f"MicroVM {self.id} was not ready within {within_s:g} s; the last that was heard of it: {said}.",
                remedy="Raise start_timeout_s in [adapters.lambda_microvm], or look at the image's build.",
                retryable=True,
                may_have_started=False,
            ) from None

    async def look(self) -> None:
        """Ask what it is.

        Raises:
            NotYet: it does not say.
            AdapterError: it is none of ours, or its door is shut to us.
        """
        try:
            token = await self._fresh_token(min(self.left_s, _ROOM_S))
        except AwsError as error:
            if error.kind in (Kind.BUSY, Kind.NOT_FOUND, Kind.SERVICE_FAULT, Kind.CUT, Kind.UNREACHABLE):
                raise NotYet(error.message) from None
            raise
        try:
            self.facts = await self._door.ready(token)
        except NotYet as answer:
            if answer.refused:
                self._token_until = 0.0
            raise
        self._heard = self._clock()
        if self.facts.package != package_hash():
            raise AdapterError(
                f"The image of MicroVM {self.id} was made by another version of Understudy.",
                remedy=f"Bring it up to date with `{DEPLOY}`.",
                may_have_started=False,
            )

    async def must_live(self) -> None:
        """Ask the service whether it is still there.

        Raises:
            MachineIsOver: it is not.
        """
        try:
            said = await self._service.get(self.id)
        except AwsError as error:
            if error.kind is Kind.NOT_FOUND and self.age_s > _ROOM_S:
                raise MachineIsOver(f"MicroVM {self.id} is gone.", may_have_started=False) from None
            return
        if said["state"] in OVER:
            reason = shortened(redacted(str(said.get("stateReason", "no reason is given"))))
            raise MachineIsOver(
                f"MicroVM {self.id} is {said['state']}: {reason}.", retryable=True, may_have_started=False
            )

    async def post(self, path: str, body: bytes, for_s: float) -> AbstractAsyncContextManager[Pieces]:
        """Send something once, as ``Door.post`` does.

        Args:
            path: where to.
            body: what.
            for_s: how long the answer may take; the token holds so long.

        Raises:
            AwsError: there is no token to be had; nothing was sent.
        """
        return self._door.post(path, body, await self._fresh_token(for_s))

    async def ask(self, path: str) -> None:
        """Send something of which no answer matters, as ``Door.ask`` does."""
        await self._door.ask(path, await self._fresh_token(_ROOM_S))

    def heard(self) -> None:
        """It has said something."""
        self._heard = self._clock()

    async def aclose(self) -> None:
        """Close the connections to it."""
        await self._door.aclose()

    async def _fresh_token(self, for_s: float) -> str:
        """A token that holds for so long at least; no longer than the MicroVM lives."""
        if self._token_until - self._clock() < for_s:
            minutes = max(1, min(_TOKEN_MINUTES, math.ceil((self.left_s + _ROOM_S) / 60)))
            self._token = await self._service.token(self.id, minutes)
            self._token_until = self._clock() + minutes * 60 - 5
        return self._token
