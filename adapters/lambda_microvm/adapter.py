"""Programs in AWS Lambda MicroVMs: a virtual machine for each, started for it, ended after it, never used again."""

import asyncio
import contextlib
from collections.abc import Sequence

from adapters.aws.calls import Calls
from adapters.aws.prices import Prices
from adapters.guest.contract import Guest, Missing
from adapters.guest.environments import BASE
from adapters.lambda_microvm import checks
from adapters.lambda_microvm.engine import Engine
from adapters.lambda_microvm.fleet import Fleet
from adapters.lambda_microvm.ledger import Ledger
from adapters.lambda_microvm.package import package_hash
from adapters.lambda_microvm.proofs import Proofs
from adapters.lambda_microvm.reaper import Reaper
from adapters.lambda_microvm.recipes import Recipes
from adapters.lambda_microvm.service import Service
from adapters.lambda_microvm.sessions import LiveSession, microvm_gone
from adapters.lambda_microvm.settings import NAME, MicrovmSettings
from adapters.lambda_microvm.tls import trusted
from adapters.lambda_microvm.warm import Warm
from adapters.runner.live import LiveSessions
from adapters.runner.refusals import refuse
from host.errors import AdapterError
from host.interface import AdapterContext, Capabilities, CheckResult, Emit, Refusal
from host.models import ExecutionRequest, ExecutionResult
from host.policy import ENFORCED_FIELDS, Enforcement, Policy

__all__ = ["LambdaMicrovmAdapter"]

_MOST_BYTES = 64 << 20
_MEMORY_OF_ITS_OWN_MB = 256


class LambdaMicrovmAdapter:
    """Runs programs in AWS Lambda MicroVMs. The settings are in ``settings.py``; ``docs/aws.md`` has the set-up.

    A program is sent to its MicroVM once. A MicroVM takes one program or one session and is ended afterwards: by us, by
    the next host's reaper if we die, and by AWS when its time is up.
    """

    name = NAME

    def __init__(self) -> None:
        self._settings = MicrovmSettings()
        self._recipes = Recipes({})
        self._calls: Calls | None = None
        self._reaper: Reaper | None = None
        self._engine: Engine | None = None
        self._check: checks.Check | None = None
        self._sessions: LiveSessions[LiveSession] = LiveSessions(microvm_gone)
        self._missing: dict[str, Missing] = {}
        self._capabilities = Capabilities(version="", languages=(), enforcement={})

    def capabilities(self) -> Capabilities:
        """The languages of the image, and what is held from where."""
        return self._capabilities

    async def start(self, context: AdapterContext) -> None:
        """Read settings and make ready. Nothing is asked of AWS yet, unless MicroVMs are to be kept warm.

        Raises:
            AdapterError: a setting is wrong.
        """
        self._settings = settings = MicrovmSettings.read(context.settings)
        folder = context.state_dir / NAME
        prices = Prices.read(settings.prices, adapter=NAME)
        ledger = Ledger(folder / "started", context.owner)
        ledger.sweep()
        tls = await asyncio.to_thread(trusted, settings)
        self._recipes = Recipes(await asyncio.to_thread(self._guests, context))
        self._calls = Calls(NAME, settings)
        service = Service(self._calls, settings)
        fleet = Fleet(service, ledger, settings, context.owner, tls)
        warm = Warm(fleet, settings)
        self._reaper = Reaper(service, ledger, fleet, tls)
        self._engine = Engine(settings, self._recipes, fleet, warm, prices, lambda: service.region)
        proofs = Proofs(folder / "proved.json", settings.proof_every_s)
        self._check = checks.Check(self._calls, service, settings, proofs, self._engine)
        self._capabilities = self._truthfully()
        warm.begin()

    async def check(self) -> CheckResult:
        """Look at credentials and image; from time to time run a program of each language."""
        if self._check is None:
            return CheckResult(ok=False, reason="the adapter has not been started", remedy="Start the host.")
        result = await self._check.look(self._recipes.languages)
        absent = self._check.absent(self._recipes.languages)
        if absent.keys() - self._missing.keys():
            self._missing.update(absent)
            self._capabilities = self._truthfully()
        return result

    def accepts(self, request: ExecutionRequest, policy: Policy) -> Refusal | None:
        """Decline what a MicroVM of this image cannot do."""
        if request.language not in self._capabilities.languages:
            missing = self._missing.get(request.language) or Missing(f"{NAME} does not run {request.language}", "")
            return Refusal(rule="language", reason=missing.reason, remedy=missing.remedy)
        if self._engine is not None and self._engine.slots.full and request.session is None:
            return Refusal(
                rule="busy",
                reason=f"{self._engine.slots.waiting} programs wait for their turn, and no more are let in",
                remedy=f"Send the request again in a moment, or raise adapters.{NAME}.max_waiting.",
            )
        return refuse(request, policy, self.name) or self._too_much(request, policy)

    async def execute(self, request: ExecutionRequest, policy: Policy, emit: Emit) -> ExecutionResult:
        """Run the request in a MicroVM that no other program has run in, and none will."""
        return await self._started().run(request, policy, emit)

    async def open(self, session: str, language: str, policy: Policy) -> None:
        """Start an interpreter in a MicroVM of its own."""
        self._sessions.add(session, await self._started().open(language, policy))

    async def run(self, session: str, request: ExecutionRequest, policy: Policy, emit: Emit) -> ExecutionResult:
        """Run one command in a session."""
        return await self._started().command(self._sessions.get(session), request, policy, emit)

    def alive(self, session: str) -> bool:
        """Whether the session takes commands."""
        return self._sessions.alive(session)

    async def close(self, session: str) -> None:
        """End a session and its MicroVM."""
        await self._sessions.close(session)

    async def reap(self, dead_owners: Sequence[str]) -> int:
        """End the MicroVMs of hosts that are gone."""
        return 0 if self._reaper is None else await self._reaper.reap(dead_owners)

    async def aclose(self) -> None:
        """End every program, session and MicroVM, and give everything back."""
        with contextlib.suppress(AdapterError):  # what could not be ended now is ended by AWS, or by the reaper
            await self._sessions.aclose()
        if self._engine is not None:
            await self._engine.aclose()
        if self._calls is not None:
            await self._calls.aclose()

    def _started(self) -> Engine:
        if self._engine is None:
            raise AdapterError(f"{NAME} has not been started.", may_have_started=False)
        return self._engine

    def _guests(self, context: AdapterContext) -> dict[str, Guest]:
        from adapters.guest.catalogue import guests

        wanted = set(self._settings.languages)
        if context.languages is not None:
            wanted &= set(context.languages)
        found = {guest.language: guest for guest in guests(context.state_dir) if guest.language in wanted}
        if "sql" in found and isinstance(missing := found["sql"].find(), Missing):  # its guest asks for a DuckDB here
            self._missing["sql"] = missing
            del found["sql"]
        return found

    def _too_much(self, request: ExecutionRequest, policy: Policy) -> Refusal | None:
        size = len(request.code_bytes) + len(request.inputs_wire) + sum(len(file.content) for file in request.files)
        if size > _MOST_BYTES:
            reason = f"code, inputs and files have {size} bytes, and {NAME} sends {_MOST_BYTES}"
            return Refusal(rule="size", reason=reason, remedy="Send less.")
        wanted = policy.guest_environment
        if request.language == "python" and wanted not in (BASE, self._settings.guest_environment):
            return Refusal(
                rule="guest_environment",
                reason=f"the image has no guest environment {wanted}",
                remedy=f"Deploy it with --guest-environment {wanted}, or ask for a policy with guest_environment base.",
            )
        facts = self._engine.facts if self._engine is not None else None
        if facts is not None and policy.max_memory_mb > facts.total_mb - _MEMORY_OF_ITS_OWN_MB:
            return Refusal(
                rule="memory",
                reason=f"policy {policy.name} gives {policy.max_memory_mb} MiB, and the MicroVMs have {facts.total_mb}",
                remedy="Deploy the image with more --memory, or ask for less in the request's limits.",
            )
        return None

    def _truthfully(self) -> Capabilities:
        """What is held, and from where.

        Time is held from outside: the host ends the MicroVM, and AWS does where the host is gone. The network is held
        from outside only by a connector that lets nothing out; AWS opens the internet to a MicroVM that has none. All
        else the runner holds inside, as root over a program that is not.
        """
        levels = dict.fromkeys(ENFORCED_FIELDS, Enforcement.GUEST)
        levels["max_execution_time"] = Enforcement.WALL
        levels["allowed_imports"] = Enforcement.ADVICE
        if self._settings.egress_connector:
            levels["network_access"] = levels["egress_allow"] = Enforcement.WALL
        here = tuple(name for name in self._recipes.languages if name not in self._missing)
        return Capabilities(
            version=f"package {package_hash()[:12]}",
            languages=here,
            enforcement=levels,
            files=True,
            streaming=True,
            remote=True,
            priced=True,
            session_languages=tuple(name for name in self._recipes.session_languages if name in here),
        )
