"""From a request and its policy to what the server in a MicroVM takes."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from adapters.guest.contract import Guest, Launch, SessionGuest
from adapters.guest.environments import BASE
from adapters.lambda_microvm.facts import Facts
from adapters.runner.job import command, make_job, make_session, packed, setup
from host.errors import AdapterError
from host.models import ExecutionRequest
from host.policy import Policy

__all__ = ["NoForm", "Parcel", "Recipes"]


class NoForm(Exception):
    """The inputs have no form in the language. The message is for the caller."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is sent.

    Attributes:
        body: of the request.
        is_text: whether reports are the bare text of the value.
    """

    body: bytes
    is_text: bool


class Recipes:
    """The languages, by their guests.

    Args:
        guests: by language.
    """

    def __init__(self, guests: Mapping[str, Guest]) -> None:
        self._guests = guests
        self._keeping = {name: guest for name, guest in guests.items() if isinstance(guest, SessionGuest)}

    @property
    def languages(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(sorted(self._guests))

    @property
    def session_languages(self) -> tuple[str, ...]:
        """Those that keep sessions."""
        return tuple(sorted(self._keeping))

    async def program(self, request: ExecutionRequest, policy: Policy, facts: Facts) -> Parcel:
        """What runs a program. Made in a thread: files may be large, and some guests parse the code.

        Raises:
            NoForm: the inputs have no form in this language.
            AdapterError: the MicroVM does not have the language.
        """
        runtime = facts.runtimes.get(request.language)
        if runtime is None:
            raise _without(request.language)
        _must_have(request.language, policy, facts)

        def make() -> Parcel:
            launch = self._guests[request.language].launch(request, policy, runtime)
            job = packed(make_job(request, policy, launch, facts.place))
            return Parcel(_setup(launch, facts) + job, launch.report_is_text)

        try:
            return await asyncio.to_thread(make)
        except ValueError as error:
            raise NoForm(str(error)) from error

    async def session(self, language: str, policy: Policy, facts: Facts) -> Parcel:
        """What starts an interpreter.

        Raises:
            AdapterError: the language keeps none, or the MicroVM does not have it.
        """
        runtime = facts.runtimes.get(language)
        if language not in self._keeping:
            raise AdapterError(f"{language} keeps no sessions.", may_have_started=False)
        if runtime is None:
            raise _without(language)
        _must_have(language, policy, facts)
        launch = self._keeping[language].open(policy, runtime)
        job = packed(make_session(policy, launch, facts.place))
        return Parcel(_setup(launch, facts) + job, launch.report_is_text)

    async def command(self, request: ExecutionRequest, policy: Policy, facts: Facts) -> bytes:
        """What runs one command in it.

        Raises:
            NoForm: the inputs have no form in this language.
        """

        def make() -> bytes:
            frame = self._keeping[request.language].frame(request, policy)
            return packed(command(frame, policy, facts.place))

        try:
            return await asyncio.to_thread(make)
        except ValueError as error:
            raise NoForm(str(error)) from error


def _setup(launch: Launch, facts: Facts) -> bytes:
    return packed(setup(facts.place, launch, held=True).encode())


def _must_have(language: str, policy: Policy, facts: Facts) -> None:
    if language == "python" and policy.guest_environment not in (BASE, facts.environment):
        raise AdapterError(
            f"The image of the MicroVMs has guest environment {facts.environment}, and not {policy.guest_environment}.",
            remedy=f"Deploy it with --guest-environment {policy.guest_environment}.",
            may_have_started=False,
        )


def _without(language: str) -> AdapterError:
    return AdapterError(
        f"The image of the MicroVMs does not run {language}.",
        remedy=f"Deploy it with {language} among its --languages.",
        may_have_started=False,
    )
