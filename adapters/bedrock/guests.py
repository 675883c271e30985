"""The languages in a session at AWS: the guests that run everywhere, on the runtimes that are there."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from adapters.bedrock.found import Found
from adapters.guest.bash.host import BashGuest
from adapters.guest.contract import Guest, Launch, Missing, Runtime, SessionGuest
from adapters.guest.environments import BASE, SQL, Environment, Environments
from adapters.guest.javascript.host import JavaScriptGuest, TypeScriptGuest
from adapters.guest.python.host import PythonGuest
from adapters.guest.sql.host import SqlGuest
from host.errors import AdapterError
from host.interface import Refusal
from host.models import ExecutionRequest
from host.policy import Policy

__all__ = ["Languages"]

DATA = "data"
_DATA_PACKAGES = ("numpy", "pandas", "matplotlib", "pillow")
_LINKED = "/runtime"


class _Environment(Environment):
    """The packages that AWS has put into an interpreter."""

    @property
    def remedy(self) -> str:
        """How to get ``{package}`` into it, for a program that misses it."""
        return "Packages here are those of the code interpreter at AWS; ask for an adapter on which you can add one."


class _Environments(Environments):
    """Guest environments of an interpreter: ``data`` and ``sql`` are what AWS has put there."""

    def __init__(self, found: Found) -> None:
        self._known = {
            name: _Environment(
                name,
                "ready",
                {package: found.packages[package][1] for package in packages},
                Path(site),
                ".".join(found.python.split(".")[:2]),
                built_at=repr(found.packages),
            )
            for name, packages in ((DATA, _DATA_PACKAGES), (SQL, ("duckdb",)))
            if (site := found.site(*packages)) is not None
        }

    def get(self, name: str) -> Environment:
        """One environment; its state is ``missing`` where it is not there."""
        return self._known.get(name) or Environment(name, "ready" if name == BASE else "missing")


class _OnNode:
    """A guest for JavaScript or TypeScript, on node in place of deno."""

    def __init__(self, guest: JavaScriptGuest) -> None:
        self.language = guest.language
        self._guest = guest

    def find(self) -> Missing:
        """It is none of this machine's: what there is at AWS is in ``Found``."""
        return Missing("node runs at AWS, and is not looked for here", "Run the check of adapter bedrock.")

    def launch(self, request: ExecutionRequest, policy: Policy, runtime: Runtime) -> Launch:
        """Start ``request`` in node."""
        return self._on_node(self._guest.launch(request, policy, runtime))

    def open(self, policy: Policy, runtime: Runtime) -> Launch:
        """Start a session in node."""
        return self._on_node(self._guest.open(policy, runtime))

    def frame(self, request: ExecutionRequest, policy: Policy) -> bytes:
        """One command of a session."""
        return self._guest.frame(request, policy)

    @staticmethod
    def _on_node(launch: Launch) -> Launch:
        """The same memory limit for V8, the same files, and none of deno's flags."""
        heap = next(word.partition("=")[2] for word in launch.argv if word.startswith("--v8-flags="))
        first = next(place for place, word in enumerate(launch.argv) if word.endswith(".mjs"))
        return dataclasses.replace(launch, argv=(f"{_LINKED}/node", heap, *launch.argv[first:]))


class Languages:
    """What an interpreter speaks.

    Args:
        found: what is there.
        wanted: only these; None for all.
    """

    def __init__(self, found: Found, wanted: frozenset[str] | None = None) -> None:
        environments = _Environments(found)
        self._environments = environments
        self._found = found
        guests: list[Guest] = [PythonGuest(environments)]
        if environments.get(SQL).site is not None:
            guests.append(SqlGuest(environments))
        guests += _script_guests(found)
        if found.bash_fits:
            guests.append(BashGuest())
        self._guests: Mapping[str, Guest] = {
            guest.language: guest for guest in guests if wanted is None or guest.language in wanted
        }
        self.names = tuple(sorted(self._guests))
        self.with_sessions = tuple(name for name in self.names if isinstance(self._guests[name], SessionGuest))

    def warm_up(self) -> None:
        """Start what reads programs before they are sent. It takes a moment; call it in a thread."""
        for name in self.names:
            guest = self._guests[name]
            if isinstance(guest, SessionGuest):
                guest.frame(ExecutionRequest(code="", language=name), Policy(name="none"))

    def refusal(self, request: ExecutionRequest, policy: Policy) -> Refusal | None:
        """Why a request is in no language, or wants packages, that there are."""
        if request.language not in self._guests:
            return Refusal(
                rule="language",
                reason=f"{request.language} does not run in this code interpreter; {', '.join(self.names)} do",
            )
        wanted = policy.guest_environment
        if request.language == "python" and self._environments.get(wanted).state == "missing":
            return Refusal(
                rule="guest-environment",
                reason=f"policy {policy.name} wants the guest environment {wanted}, which is not at AWS",
                remedy="Ask for a policy with guest_environment base or data, or choose an adapter on this machine.",
            )
        return None

    def site(self, language: str, policy: Policy) -> str | None:
        """The folder of packages that a program may import."""
        if language == "sql":
            return self._found.site("duckdb")
        return self._found.site(*_DATA_PACKAGES) if policy.guest_environment == DATA else None

    def launch(self, request: ExecutionRequest, policy: Policy) -> Launch:
        """How a program is started. Raises ``ValueError`` where its inputs have no form in its language."""
        launch = self._guests[request.language].launch(request, policy, self._runtime(request.language))
        if request.language != "bash":
            return launch
        return dataclasses.replace(launch, argv=(self._found.tools["bash"][0], *launch.argv[1:]))

    def open(self, language: str, policy: Policy) -> Launch:
        """How a session is started. Raises ``AdapterError`` where the language keeps none."""
        return self._keeping(language).open(policy, self._runtime(language))

    def frame(self, request: ExecutionRequest, policy: Policy) -> bytes:
        """One command of a session. Raises ``ValueError`` where its inputs have no form in its language."""
        return self._keeping(request.language).frame(request, policy)

    def _keeping(self, language: str) -> SessionGuest:
        guest = self._guests.get(language)
        if not isinstance(guest, SessionGuest):
            raise AdapterError(f"{language} keeps no sessions in this code interpreter", may_have_started=False)
        return guest

    def _runtime(self, language: str) -> Runtime:
        return Runtime(language, self._found.python, Path("/"), {})


def _script_guests(found: Found) -> list[Guest]:
    """JavaScript and TypeScript: on deno where it is there, else on node."""
    if "deno" in found.tools:
        return [JavaScriptGuest(), TypeScriptGuest()]
    if "node" not in found.tools:
        return []
    guests: list[Guest] = [_OnNode(JavaScriptGuest())]
    return [*guests, _OnNode(TypeScriptGuest())] if found.node_strips_types else guests
