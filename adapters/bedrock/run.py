"""One program in one session: sent once, within its time, and its answer brought home."""

import asyncio
import secrets
import shlex
import time
from collections.abc import Awaitable, Callable

from adapters.aws.errors import AwsError
from adapters.aws.threads import Ticket
from adapters.bedrock.orders import FIRST, command, inline, piece, place
from adapters.bedrock.replies import Reply, feed, lost, reader
from adapters.bedrock.sessions import FarSession
from adapters.bedrock.tools import Said, Tools
from adapters.guest.contract import Launch
from adapters.runner.answer import Answer
from adapters.runner.ended import Ended
from adapters.runner.job import Place, make_job, setup
from host.errors import AdapterError
from host.interface import Emit
from host.models import ExecutionRequest
from host.policy import Policy

__all__ = ["GRACE_S", "Run"]

GRACE_S = 4.0
"""How long past a program's own time its answer may take. The host itself waits five seconds."""

_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 5.0
_MUCH = 500_000
_NOT_EXECUTED = (126, 127)
_BACKGROUND = ("submitted", "working")


class Run:
    """One program.

    Args:
        tools: the interpreter.
        session: one that no program has run in.
        policy: what applies; no more output than an answer holds.
        answer_bytes: how long an answer may be.
    """

    def __init__(self, tools: Tools, session: FarSession, policy: Policy, answer_bytes: int) -> None:
        self._tools = tools
        self._session = session
        self._policy = policy
        self._answer_bytes = answer_bytes
        self._place = place(session.home, answer_bytes)
        self._word = secrets.token_hex(12)
        self._ticket = Ticket()
        self._task = ""
        self._printed = f"{session.home.root}/printed"

    async def whole(
        self, request: ExecutionRequest, launch: Launch, emit: Emit, *, site: str | None, in_background: bool
    ) -> Ended:
        """Run it, and give the facts.

        Args:
            request: what runs.
            launch: how its guest is started.
            emit: is told of output and displays when they have come.
            site: the folder of packages that it may import.
            in_background: start it, and ask how it is until it has ended.

        Raises:
            AdapterError: the session failed, and not the program.
        """
        job = await _made(request, self._policy, launch, self._place)
        within_s = self._policy.max_execution_time / 1000 + GRACE_S
        text = inline(self._word, job)
        if text is None:
            await self._tools.write(self._session.id, [("understudy/job", self._word.encode() + b"\n" + job)])
        order = command(
            self._session.home,
            setup(self._place, launch, held=False),
            self._policy,
            job=text,
            site=site,
            first=0 if in_background else FIRST,
        )
        answer = Answer(self._policy, emit, is_text=launch.report_is_text)
        read = reader(self._word, answer.most_bytes)
        ask = self._in_background if in_background else self._at_once
        reply = await self._within(within_s, lambda: ask(order, within_s, read))
        self._assert_answered(reply)
        await feed(answer, reply, self._more)
        if not answer.has_ended:
            raise lost("its runner ended without saying how it did")
        return answer.ended()

    async def stop(self) -> None:
        """End it, where it runs in the background. Raises nothing: the session is stopped in any case."""
        if self._task:
            try:
                await self._tools.stop_task(self._session.id, self._task)
            except AwsError:
                return

    async def _within(self, seconds: float, ask: Callable[[], Awaitable[Reply]]) -> Reply:
        try:
            async with asyncio.timeout(seconds):
                return await ask()
        except TimeoutError:
            if not self._ticket.sent:
                raise AdapterError("AWS could not be called in time.", retryable=True, may_have_started=False) from None
            raise lost(f"AWS did not say within {seconds:g} s how it ended") from None

    async def _at_once(self, order: str, within_s: float, read: Callable[[Said], Reply]) -> Reply:
        return await self._tools.execute(
            self._session.id, "executeCommand", {"command": order}, within_s + GRACE_S, self._ticket, read
        )

    async def _in_background(self, order: str, within_s: float, read: Callable[[Said], Reply]) -> Reply:
        """Start it, and ask after it, less and less often."""
        order = f"exec >{shlex.quote(self._printed)}\n{order}"
        begun = await self._tools.execute(
            self._session.id, "startCommandExecution", {"command": order}, within_s, self._ticket, _as_it_is
        )
        if not begun.task:
            raise lost("AWS did not name the task that it became")
        self._task = begun.task
        due = time.monotonic() + self._policy.max_execution_time / 1000
        pause_s, status = _FIRST_PAUSE_S, begun.task_status or _BACKGROUND[0]
        while status in _BACKGROUND:
            left_s = due - time.monotonic()  # when it is due it is not left waiting for a long pause to end
            await asyncio.sleep(min(pause_s, max(left_s, _FIRST_PAUSE_S)))
            pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)
            try:
                said = await self._tools.task(self._session.id, begun.task)
            except AwsError as error:
                raise lost(f"AWS cannot say how it is: {error.message}") from None
            status = said.task_status
        self._task = ""
        return read(await self._asked(f"tail -n 3 {shlex.quote(self._printed)}"))

    def _assert_answered(self, reply: Reply) -> None:
        said, found = reply.said, reply.found
        if found is None and said.exit_code in _NOT_EXECUTED:
            raise AdapterError(f"The runner could not be started: {said.complaint}", may_have_started=False)
        if found is None:
            raise lost(f"its runner did not answer (exit code {said.exit_code}): {said.complaint}")
        if found.size > self._answer_bytes:
            raise lost(f"its runner has an answer of {found.size} characters")

    async def _more(self, offset: int) -> str:
        return (await self._asked(piece(self._session.home, offset, FIRST))).stdout.strip()

    async def _asked(self, text: str) -> Said:
        try:
            return await self._tools.ask(self._session.id, text)
        except AwsError as error:
            raise lost(f"the answer could not be had: {error.message}") from None


async def _made(request: ExecutionRequest, policy: Policy, launch: Launch, place: Place) -> bytes:
    """The job; a large one is made in a thread, for others wait here."""
    if len(launch.frame) + sum(len(file.content) for file in request.files) < _MUCH:
        return make_job(request, policy, launch, place)
    return await asyncio.to_thread(make_job, request, policy, launch, place)


def _as_it_is(said: Said) -> Said:
    return said
