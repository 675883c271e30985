"""One program in a function: what is sent, how long it is waited for, and what becomes of the answer."""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.aws.calls import Calls
from adapters.aws.errors import About
from adapters.aws.prices import Prices
from adapters.aws.threads import Ticket
from adapters.aws_lambda import payload, replies
from adapters.aws_lambda.functions import Function
from adapters.aws_lambda.replies import Reply
from adapters.aws_lambda.settings import LambdaSettings
from adapters.guest.contract import Guest, Launch, Runtime
from adapters.runner.answer import Answer, AnswerError, text_to_messages
from adapters.runner.ended import Cause, Ended
from adapters.runner.job import make_job, setup
from host.errors import AdapterError
from host.events import get_logger
from host.interface import Emit
from host.models import ExecutionRequest, Priced
from host.policy import Policy

__all__ = ["GOES_ON", "MOST_OUTPUT_BYTES", "Far", "NoForm", "Runs", "tightened"]

GOES_ON = "The program goes on in Lambda until its own deadline, and its answer is thrown away."
"""What is true of a run whose caller was let go: nothing ends an invocation from outside."""

MOST_OUTPUT_BYTES = 4 << 20
"""What fits an answer whatever it is: Lambda's 6 MB hold 4.5 of it in base64."""

_MARGIN_S = 4.5  # for the way there and back and a cold start; the host itself waits five seconds
_SILENCE_S = 10.0  # past that, for the thread that still listens
_MUCH = 1 << 18  # bytes of an answer that the loop does not stop for

_log = get_logger("understudy.lambda")


class NoForm(Exception):
    """The inputs have no form in the request's language."""


@dataclass(frozen=True, slots=True)
class Far:
    """A language over there.

    Attributes:
        guest: the host's side of its guest.
        function: the one that runs it.
        spare_memory_mb: what its runtime takes beside the policy's memory.
    """

    guest: Guest
    function: Function
    spare_memory_mb: int = 0

    def launch(self, request: ExecutionRequest, policy: Policy) -> Launch:
        """How the guest is started there.

        Raises:
            ValueError: the inputs have no form in this language.
        """
        version = self.function.runtime.removeprefix("python") + ".0"
        runtime = Runtime(self.function.language, version, Path("/var/lang/bin", self.function.runtime), trees={})
        return self.guest.launch(request, policy, runtime)

    def payload(self, request: ExecutionRequest, policy: Policy, launch: Launch) -> bytes:
        """What is sent."""
        place = self.function.place
        return payload.made(setup(place, launch, held=False), make_job(request, policy, launch, place))


def tightened(policy: Policy) -> Policy:
    """The policy with no more output than an answer holds."""
    if policy.max_output_bytes <= MOST_OUTPUT_BYTES:
        return policy
    return policy.model_copy(update={"max_output_bytes": MOST_OUTPUT_BYTES})


class Runs:
    """What is under way, of which some is waited for by nobody any more.

    Attributes:
        domains: by function, the version of Landlock that it was last seen to have; 0 is none.
    """

    def __init__(self, calls: Calls, settings: LambdaSettings, prices: Prices) -> None:
        self._calls, self._settings, self._prices = calls, settings, prices
        self.domains: dict[str, int] = {}
        self._turn = asyncio.Lock()
        self._under_way: set[asyncio.Future[Reply]] = set()

    @property
    def full(self) -> bool:
        """Whether as many run as may."""
        return len(self._under_way) >= self._settings.max_running

    async def run(
        self, far: Far, request: ExecutionRequest, policy: Policy, emit: Emit, tenant: str
    ) -> tuple[Ended, Priced | None]:
        """Run a program: the facts about it, and what it costs.

        Raises:
            NoForm: the inputs have no form in this language.
            AdapterError: the function failed, or its answer did not come in time.
            CancelledError: the caller went away; its text says what is known of the program then.
        """
        async with self._turn:
            await asyncio.sleep(0)  # many may come at once: between two of them the loop serves others
            try:
                launch = far.launch(request, policy)
            except ValueError as error:
                raise NoForm(str(error)) from None
            content = far.payload(request, policy, launch) if payload.surely_fits(request) else None
        if content is None:
            content = await asyncio.to_thread(far.payload, request, policy, launch)
        reply = await self._reply(far.function, content, policy, tenant)
        self.domains[far.function.name] = reply.domain
        priced = self._priced(far.function, reply)
        _log.info(
            "lambda_ran",
            execution=request.id,
            function=far.function.name,
            environment=reply.environment,
            cold=reply.cold,
            billed_ms=reply.billed_ms,
        )
        if reply.too_large:
            return Ended(cause=Cause.OUTPUT, truncated=True, wall_ms=float(max(1, reply.billed_ms))), priced
        answer = Answer(policy, emit, is_text=launch.report_is_text)
        return await _ended(far.function, reply.line, answer), priced

    async def _reply(self, function: Function, content: bytes, policy: Policy, tenant: str) -> Reply:
        within_s = policy.max_execution_time / 1000 + _MARGIN_S
        ticket = Ticket()
        call = asyncio.ensure_future(self._invoke(function, content, tenant, within_s + _SILENCE_S, ticket))
        self._under_way.add(call)
        call.add_done_callback(self._over)
        try:
            done, _ = await asyncio.wait((call,), timeout=within_s)
        except asyncio.CancelledError:
            if self._left(call, ticket):
                raise asyncio.CancelledError(GOES_ON) from None
            raise
        if done:
            return call.result()
        if self._left(call, ticket):
            raise AdapterError(
                f"{function.name} did not answer within {within_s:g} s. {GOES_ON}", may_have_started=True, lost=True
            )
        raise AdapterError(
            f"The program was not sent to {function.name}: for {within_s:g} s no connection was free.",
            remedy="Raise max_running in [adapters.lambda].",
            retryable=True,
            may_have_started=False,
        )

    async def _invoke(
        self, function: Function, content: bytes, tenant: str, read_timeout_s: float, ticket: Ticket
    ) -> Reply:
        settings = self._settings
        params: dict[str, Any] = {"FunctionName": function.name, "InvocationType": "RequestResponse", "LogType": "None"}
        params |= {"Payload": content}
        params |= {"Qualifier": settings.qualifier} if settings.qualifier else {}
        params |= {"TenantId": tenant} if tenant else {}
        error, answer = await self._calls.once(
            "lambda",
            "invoke",
            params,
            read_timeout_s=read_timeout_s,
            finish=lambda response: (response.get("FunctionError"), response["Payload"].read()),
            ticket=ticket,
            about=About(f"function {function.name}", f"Run `{settings.redeploy}`."),
        )
        return replies.read(function, error, answer, settings.redeploy)

    def _left(self, call: "asyncio.Future[Reply]", ticket: Ticket) -> bool:
        """Nobody waits for this call any more. Whether it was sent, and so goes on; one that was not never is."""
        ticket.give_up()
        if not ticket.sent:
            call.cancel()
        return ticket.sent

    def _over(self, call: "asyncio.Future[Reply]") -> None:
        self._under_way.discard(call)
        if not call.cancelled():
            call.exception()  # seen, or of no interest any more

    def _priced(self, function: Function, reply: Reply) -> Priced | None:
        if not reply.billed_ms:
            return None
        gb_seconds = function.memory_mb / 1024 * math.ceil(reply.billed_ms) / 1000
        quantities: Mapping[str, float] = {"gb_seconds": gb_seconds, "requests": 1}
        return self._prices.priced(f"lambda-{function.architecture}", self._calls.clients.region, quantities)


async def _ended(function: Function, line: str, answer: Answer) -> Ended:
    """The facts in a runner's line.

    Raises:
        AdapterError: there are none in it, or the program could not be started.
    """
    try:
        if len(line) < _MUCH:
            messages = text_to_messages(line, answer.most_bytes)
        else:
            messages = await asyncio.to_thread(text_to_messages, line, answer.most_bytes)
        answer.feed(messages)
    except AnswerError as error:
        raise AdapterError(f"The runner in {function.name} was lost: {error}.", lost=True) from None
    if answer.trouble:
        message = f"The program could not be started in {function.name}: {answer.trouble}."
        raise AdapterError(message, may_have_started=False)
    if not answer.has_ended:
        raise AdapterError(f"The runner in {function.name} ended without saying how the program did.", lost=True)
    return answer.ended()
