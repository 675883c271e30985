"""From a request and its policy to all that a wall needs to run it. What does not depend on the request is kept."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from adapters.guest.contract import Guest, Launch, Runtime, SessionGuest
from adapters.sandbox.bubblewrap import View, inside_path
from adapters.sandbox.plan import Mould, make_mould
from adapters.sandbox.staging import stage
from adapters.sandbox.wall import Interpreter
from adapters.sandbox.warm import Scene
from host.errors import AdapterError
from host.models import ExecutionRequest
from host.policy import FileSystemAccess, Policy

__all__ = ["NoForm", "Recipe", "Recipes"]

_KEPT = 256


class NoForm(Exception):
    """The inputs have no form in the language. The message is for the caller."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How programs of one language run under one policy.

    Attributes:
        mould: what the sandboxes are like.
        scene: what they see.
    """

    mould: Mould
    scene: Scene


class Recipes:
    """The recipes of one adapter.

    Args:
        guests: the languages.
        runtimes: those that were found, by language.
        folder: where files for inside are prepared.
    """

    def __init__(self, guests: Mapping[str, Guest], runtimes: Mapping[str, Runtime], folder: Path) -> None:
        self._guests = guests
        self._runtimes = runtimes
        self._folder = folder
        self._with_sessions: dict[str, SessionGuest] = {
            name: guest for name, guest in guests.items() if isinstance(guest, SessionGuest)
        }
        self._scenes: dict[object, Scene] = {}
        self._moulds: dict[object, tuple[Policy, Mapping[Path, str], Mould, Scene]] = {}

    async def of(self, request: ExecutionRequest, policy: Policy) -> tuple[Recipe, Launch]:
        """The recipe for a request, and how its guest is started.

        Raises:
            NoForm: the inputs have no form in this language.
            AdapterError: what is to be shown inside cannot be prepared.
        """
        try:
            launch = self._guests[request.language].launch(request, policy, self._runtimes[request.language])
        except ValueError as error:
            raise NoForm(str(error)) from error
        late = bool(request.files) and (
            not launch.in_process or policy.file_system_access is not FileSystemAccess.SANDBOXED
        )
        return await self._recipe(request.language, launch, policy, late=late), launch

    async def of_session(self, language: str, policy: Policy) -> Recipe:
        """The recipe for a session."""
        guest = self._keeping(language)
        return await self._recipe(language, guest.open(policy, self._runtimes[language]), policy, session=True)

    def frame(self, request: ExecutionRequest, policy: Policy) -> bytes:
        """The frame of one command of a session.

        Raises:
            NoForm: the inputs have no form in this language.
        """
        try:
            return self._keeping(request.language).frame(request, policy)
        except ValueError as error:
            raise NoForm(str(error)) from error

    @property
    def session_languages(self) -> tuple[str, ...]:
        """The languages that keep sessions."""
        return tuple(sorted(name for name in self._runtimes if name in self._with_sessions))

    def _keeping(self, language: str) -> SessionGuest:
        try:
            return self._with_sessions[language]
        except KeyError:
            raise AdapterError(f"{language} keeps no sessions", may_have_started=False) from None

    async def _recipe(
        self, language: str, launch: Launch, policy: Policy, *, late: bool = False, session: bool = False
    ) -> Recipe:
        key = (language, id(policy), id(launch.trees) if launch.trees else 0, launch.argv, late, session)
        known = self._moulds.get(key)  # what is kept holds what the ids are of
        if known is None:
            mould = make_mould(policy, launch, late=late, session=session)
            if len(self._moulds) >= _KEPT:
                self._moulds.clear()
            known = self._moulds[key] = (policy, launch.trees, mould, await self._scene(language, launch))
        return Recipe(known[2], known[3])

    async def _scene(self, language: str, launch: Launch) -> Scene:
        """What a run sees. The same trees give the same scene, made once."""
        program = None if launch.in_process else launch.argv[0]
        key = (language, program, launch.preload, tuple(launch.trees.items()))
        if key not in self._scenes:
            view, interpreter = await asyncio.to_thread(self._view, launch.trees, self._runtimes[language], program)
            # A launcher imports the guest's own module at least, while it waits for its plan.
            preload = launch.preload or ((launch.argv[0],) if launch.in_process else ())
            environment = launch.environment if launch.in_process else {}
            self._scenes[key] = Scene(key, view, interpreter, tuple(preload), environment)
        return self._scenes[key]

    def _view(self, trees: Mapping[Path, str], runtime: Runtime, program: str | None) -> tuple[View, Interpreter]:
        python = self._runtimes.get("python")
        if python is None:
            raise AdapterError(
                "the wall needs Python inside for its launcher, and none was found", may_have_started=False
            )
        staged = stage({**python.trees, **runtime.trees, **trees}, python.program, python.version, self._folder)
        inside = inside_path(python.program, python.trees)
        if inside is None:
            raise AdapterError(f"{python.program} is not among the files that are shown inside", may_have_started=False)
        view = View.of(staged.trees, [*runtime.masked, *python.masked], program)
        return view, Interpreter(inside, staged.guests)
