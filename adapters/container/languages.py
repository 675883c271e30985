"""Which languages there are images for, and how their guests are started in them."""

import asyncio
from pathlib import Path

from adapters.container.engine import Client
from adapters.container.images import Images, missing, missing_error
from adapters.guest.catalogue import guests
from adapters.guest.contract import Guest, Launch, Missing, Runtime, SessionGuest
from adapters.guest.found import find
from host.errors import AdapterError
from host.interface import AdapterContext, Finding, Refusal
from host.models import ExecutionRequest
from host.policy import Policy

__all__ = ["Languages"]

_BUILD_ALL = "understudy image build"


class Languages:
    """The languages of one engine. Nothing is known before ``find``."""

    def __init__(self) -> None:
        self._guests: dict[str, Guest] = {}
        self._runtimes: dict[str, Runtime] = {}
        self._images = Images(())

    async def find(self, docker: Client, context: AdapterContext) -> None:
        """Look for the images, and for what this machine can tell of the languages.

        Raises:
            AdapterError: the engine does not answer.
        """
        await self.look_again(docker)
        everything = guests(context.state_dir)
        wanted = [guest for guest in everything if context.languages is None or guest.language in context.languages]
        with_image = [guest for guest in wanted if self._images.current(guest.language) is not None]
        found = await asyncio.gather(
            *(asyncio.to_thread(_runtime, guest, context.state_dir / "container") for guest in with_image)
        )
        self._guests = {guest.language: guest for guest in wanted}
        pairs = zip(with_image, found, strict=True)
        self._runtimes = {guest.language: runtime for guest, runtime in pairs if runtime is not None}

    async def look_again(self, docker: Client) -> None:
        """Look for the images.

        Raises:
            AdapterError: the engine does not answer.
        """
        self._images = await Images.read(docker)

    @property
    def ready(self) -> tuple[str, ...]:
        """The languages that run."""
        return tuple(sorted(self._runtimes))

    @property
    def with_sessions(self) -> tuple[str, ...]:
        """Those of which an interpreter can be kept."""
        return tuple(name for name in self.ready if isinstance(self._guests[name], SessionGuest))

    def findings(self) -> list[Finding]:
        """What there is for each language."""
        return [self._images.finding(name) for name in sorted(self._guests)]

    def without_images(self) -> Finding:
        """There is none at all."""
        return Finding(
            name="images",
            ok=False,
            reason="the engine has no image that fits, for any language",
            remedy=_BUILD_ALL,
        )

    def refusal(self, language: str, policy: Policy) -> Refusal | None:
        """Why a language cannot run under a policy, or None."""
        if language not in self._runtimes:
            lack = missing(language)
            return Refusal(rule="language", reason=lack.reason, remedy=f"Build it: {lack.remedy}.")
        if self._images.current(language, policy.guest_environment) is None:
            lack = missing(language, policy.guest_environment)
            return Refusal(rule="image", reason=lack.reason, remedy=f"Build it: {lack.remedy}.")
        return None

    def image(self, language: str, policy: Policy) -> str:
        """The image for a language under a policy.

        Raises:
            AdapterError: there is none.
        """
        image = self._images.current(language, policy.guest_environment)
        if image is None:
            raise missing_error(language, policy.guest_environment)
        return image.id

    def launch(self, request: ExecutionRequest, policy: Policy) -> Launch:
        """How a program is started.

        Raises:
            ValueError: its inputs have no form in this language; the message is for the caller.
            AdapterError: there is no image for the language.
        """
        guest, runtime = self._of(request.language)
        return guest.launch(request, policy, runtime)

    def launch_session(self, language: str, policy: Policy) -> Launch:
        """How an interpreter is started.

        Raises:
            AdapterError: there is no image for the language, or it keeps no sessions.
        """
        guest, runtime = self._of(language)
        return self._keeping(guest).open(policy, runtime)

    def frame(self, request: ExecutionRequest, policy: Policy) -> bytes:
        """One command of a session.

        Raises:
            ValueError: as ``launch`` does.
        """
        guest, _ = self._of(request.language)
        return self._keeping(guest).frame(request, policy)

    def _of(self, language: str) -> tuple[Guest, Runtime]:
        try:
            return self._guests[language], self._runtimes[language]
        except KeyError:
            raise missing_error(language) from None

    @staticmethod
    def _keeping(guest: Guest) -> SessionGuest:
        if isinstance(guest, SessionGuest):
            return guest
        raise AdapterError(f"{guest.language} keeps no sessions", may_have_started=False)


def _runtime(guest: Guest, folder: Path) -> Runtime | None:
    """What this machine has of the language; an image from elsewhere may have what is missing here."""
    found = find(guest, folder)
    if not isinstance(found, Missing):
        return found
    return None if guest.language in _NEED_THEIR_RUNTIME else Runtime(guest.language, "", Path("/"), {})


_NEED_THEIR_RUNTIME = ("elixir", "sql")
"""Their launch names what only a look at the runtime tells."""
