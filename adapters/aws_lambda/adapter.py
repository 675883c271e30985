"""Programs in functions of AWS Lambda, one function for each language, each program in a runner of its own."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from adapters.aws.calls import Calls
from adapters.aws.errors import About
from adapters.aws.prices import Prices
from adapters.aws_lambda import payload
from adapters.aws_lambda.checks import Checks
from adapters.aws_lambda.functions import LANGUAGES, Function
from adapters.aws_lambda.runs import Far, NoForm, Runs, tightened
from adapters.aws_lambda.settings import LambdaSettings
from adapters.guest.contract import Guest
from adapters.runner.refusals import refuse
from adapters.runner.results import as_result, judged
from host.errors import AdapterError
from host.interface import AdapterContext, Capabilities, CheckResult, Emit, Refusal, discard
from host.models import ExecutionRequest, ExecutionResult, Status
from host.policy import ENFORCED_FIELDS, Enforcement, Policy

__all__ = ["LambdaAdapter"]

_OURS_MB = 96  # the runtime's client, the handler and the runner
_OURS_MS = 6000  # of the function's time: the handler's own, past the program's deadline
_ACTOR = "actor"


class LambdaAdapter:
    """Runs programs in Lambda functions that ``understudy deploy lambda`` has set up.

    Its settings are ``LambdaSettings``.

    Args:
        guests: the languages; by default those of the catalogue.
    """

    name = "lambda"

    def __init__(self, guests: Sequence[Guest] | None = None) -> None:
        self._given = guests
        self._settings = LambdaSettings()
        self._calls: Calls | None = None
        self._runs: Runs | None = None
        self._checks: Checks | None = None
        self._guests: dict[str, Guest] = {}
        self._far: dict[str, Far] = {}
        self._absent: dict[str, AdapterError] = {}
        self._capabilities = _claims({})

    def capabilities(self) -> Capabilities:
        """The languages whose function is there, and what is held over there."""
        return self._capabilities

    async def start(self, context: AdapterContext) -> None:
        """Look which functions there are. Where none can be seen it is not ready, and ``check`` looks again.

        Raises:
            AdapterError: a setting is wrong.
        """
        self._settings = LambdaSettings.read(context.settings)
        prices = Prices.read(self._settings.prices, adapter=self.name)
        self._calls = Calls(self.name, self._settings)
        self._runs = Runs(self._calls, self._settings, prices)
        if self._given is None:
            from adapters.guest.catalogue import guests

            self._given = guests(context.state_dir)
        wanted = set(context.languages or LANGUAGES)
        self._guests = {guest.language: guest for guest in self._given if guest.language in wanted & set(LANGUAGES)}
        folder = context.state_dir / self.name
        self._checks = Checks(self._calls, self._settings, self._guests, folder, self._try_out, self._runs.domains)
        await self.look()

    async def look(self) -> None:
        """See which functions there are, and what they are like."""
        found = await asyncio.gather(*(self._look_at(language) for language in self._guests))
        self._far, self._absent = {}, {}
        for language, far in zip(self._guests, found, strict=True):
            if isinstance(far, Far):
                self._far[language] = far
            else:
                self._absent[language] = far
        self._capabilities = _claims({language: far.function for language, far in self._far.items()})

    async def check(self) -> CheckResult:
        """Look at the functions and, from time to time, run a program in each."""
        if self._checks is None:
            return CheckResult(ok=False, reason="the adapter has not been started")
        async with self._checks.turn:
            await self.look()
            return await self._checks.result(self._far, self._absent)

    def accepts(self, request: ExecutionRequest, policy: Policy) -> Refusal | None:
        """Decline what the function cannot do, or what Lambda does not take."""
        far = self._far.get(request.language)
        if far is None:
            return self._without(request.language)
        if self._runs is not None and self._runs.full:
            return Refusal(
                rule="busy",
                reason=f"{self._settings.max_running} programs run in Lambda already",
                remedy="Send the request again in a moment, or raise max_running in [adapters.lambda].",
            )
        return refuse(request, policy, self.name) or self._beyond(far, policy) or _too_large(far, request, policy)

    async def execute(self, request: ExecutionRequest, policy: Policy, emit: Emit) -> ExecutionResult:
        """Run the request in its language's function.

        Cancelling lets the caller go at once. Lambda has no way to end an invocation, so where it was sent the program
        goes on until its own deadline, and ``CancelledError`` says so.
        """
        far = self._far.get(request.language)
        if far is None or self._runs is None:
            missing = self._without(request.language)
            raise AdapterError(missing.reason, remedy=missing.remedy, may_have_started=False)
        policy = tightened(policy)
        tenant = self._tenant(request, far.function)
        try:
            ended, priced = await self._runs.run(far, request, policy, emit, tenant)
        except NoForm as error:
            return as_result(request, policy, Status.FAILED, str(error))
        if self._checks is not None:
            self._checks.has_run(far.function)
        return judged(request, policy, ended, priced)

    async def reap(self, dead_owners: Sequence[str]) -> int:
        """Nothing outlives a host but invocations, which end by themselves."""
        return 0

    async def aclose(self) -> None:
        """Let every caller go, and close the connections."""
        if self._calls is not None:
            await self._calls.aclose()

    async def _look_at(self, language: str) -> Far | AdapterError:
        """The function of a language, or why there is none."""
        assert self._calls is not None  # noqa: S101 - made before anything is looked at
        settings, guest = self._settings, self._guests[language]
        name = settings.function(language)
        qualifier = {"Qualifier": settings.qualifier} if settings.qualifier else {}
        about = About(f"the function {name}", f"Set it up with `{settings.redeploy} --languages {language}`.")
        params = {"FunctionName": name, **qualifier}
        try:
            operation = "get_function_configuration"
            said: Mapping[str, Any] = await self._calls.again("lambda", operation, params, attempts=2, about=about)
            function = Function.read(language, said)
            if function.trouble:
                raise AdapterError(
                    f"{name} takes no programs. {function.trouble}", remedy=f"Run `{settings.redeploy}`."
                )
            return Far(guest, function, await asyncio.to_thread(_spare_mb, guest, function))
        except AdapterError as error:
            return error

    async def _try_out(self, request: ExecutionRequest, policy: Policy) -> ExecutionResult:
        return await self.execute(request, policy, discard)

    def _tenant(self, request: ExecutionRequest, function: Function) -> str:
        """Whose execution environments the program may use; an actor's name does not leave this host."""
        if not function.per_tenant:
            return ""
        if self._settings.tenant not in ("", _ACTOR):
            return self._settings.tenant
        if request.actor is None:
            return "nobody"
        actor = f"{request.actor.type}\0{request.actor.id}".encode()
        return f"actor-{hashlib.sha256(actor).hexdigest()[:32]}"

    def _without(self, language: str) -> Refusal:
        absent = self._absent.get(language)
        if absent is None:
            return Refusal(rule="language", reason=f"{self.name} does not run {language}")
        return Refusal(rule="language", reason=f"{language} cannot run here: {absent.message}", remedy=absent.remedy)

    def _beyond(self, far: Far, policy: Policy) -> Refusal | None:
        """What the policy gives and the function does not have."""
        function, redeploy = far.function, self._settings.redeploy
        memory_mb = policy.max_memory_mb + far.spare_memory_mb + _OURS_MB
        if memory_mb > function.memory_mb:
            return Refusal(
                rule="memory",
                reason=f"policy {policy.name} gives {policy.max_memory_mb} MiB, for which {function.name} needs "
                f"{memory_mb} MB of memory; it has {function.memory_mb}",
                remedy=f"Run `{redeploy} --memory {memory_mb}` or more, or ask for a lower max_memory_mb.",
            )
        timeout_s = -(-(policy.max_execution_time + _OURS_MS) // 1000)
        if timeout_s > function.timeout_s:
            return Refusal(
                rule="time",
                reason=f"policy {policy.name} gives {policy.max_execution_time} ms, for which {function.name} needs a "
                f"timeout of {timeout_s} s; it has {function.timeout_s}",
                remedy=f"Run `{redeploy} --timeout {timeout_s}` or more, or ask for a lower max_execution_time.",
            )
        if function.language == "python" and policy.guest_environment not in ("base", function.environment):
            return Refusal(
                rule="guest_environment",
                reason=f"policy {policy.name} wants the guest environment {policy.guest_environment}, and "
                f"{function.name} was set up with {function.environment or 'none of ours'}",
                remedy=f"Run `{redeploy} --guest-environment {policy.guest_environment}`.",
            )
        return None


def _too_large(far: Far, request: ExecutionRequest, policy: Policy) -> Refusal | None:
    if payload.surely_fits(request):
        return None
    policy = tightened(policy)
    try:
        size = len(far.payload(request, policy, far.launch(request, policy)))
    except ValueError:  # the run says so
        return None
    if size < payload.MOST_BYTES:
        return None
    return Refusal(
        rule="payload",
        reason=f"code, inputs and files are {size} bytes as Lambda takes them, and it takes {payload.MOST_BYTES - 1}",
        remedy="Send less, or choose an adapter that takes more, as sandbox or container.",
    )


def _spare_mb(guest: Guest, function: Function) -> int:
    """What the language's runtime takes beside the policy's memory.

    Raises:
        AdapterError: this host lacks its part of the guest.
    """
    try:
        if guest.language == "sql":
            guest.find()  # which makes the guest environment where there is none yet
        request = ExecutionRequest(code="", language=guest.language)
        return Far(guest, function).launch(request, Policy(name="look")).spare_memory_mb
    except ValueError as error:
        raise AdapterError(f"{guest.language} is not ready on this host: {error}", may_have_started=False) from None


def _claims(functions: Mapping[str, Function]) -> Capabilities:
    """What is held, truthfully: by the runner in the function, for Lambda's own bounds are not the policy's."""
    levels = dict.fromkeys(ENFORCED_FIELDS, Enforcement.GUEST)
    levels["allowed_imports"] = Enforcement.ADVICE
    parts = [f"{language} {each.runtime} {each.version} {each.code_sha256[:8]}" for language, each in functions.items()]
    return Capabilities(
        version=f"Lambda: {', '.join(parts)}" if parts else "Lambda: no function",
        languages=tuple(sorted(functions)),
        enforcement=levels,
        files=True,
        remote=True,
        priced=True,
    )
