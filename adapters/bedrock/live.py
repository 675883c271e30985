"""An interpreter that takes command after command, in a session of its own at AWS.

The runner is kept by the service's notebook, so each command is one ``executeCode``. The service offers no way to reach
into a call that is under way, so cancelling a command ends the session; a command that uses up its time is interrupted
by the runner, and the session mostly goes on.
"""

import asyncio
import base64
import json
import secrets
import time
from collections.abc import Mapping

from adapters.aws.errors import AwsError
from adapters.aws.kinds import Kind
from adapters.aws.threads import Ticket
from adapters.bedrock.orders import FIRST, beginning, held, place, tightened
from adapters.bedrock.replies import feed, lost, reader
from adapters.bedrock.run import GRACE_S
from adapters.bedrock.sessions import STOP_S, FarSession, Sessions
from adapters.guest.contract import Launch
from adapters.runner.answer import Answer
from adapters.runner.ended import Ended
from adapters.runner.job import command, make_session, setup
from adapters.runner.live import gone
from host.errors import AdapterError
from host.interface import Emit, discard
from host.policy import Policy

__all__ = ["LiveSession"]

_BEGIN_S = 60.0


class LiveSession:
    """One interpreter. Commands come one at a time.

    Args:
        sessions: what ends the session.
        session: one that no program has run in.
        is_text: whether its language reports bare text.
        answer_bytes: how long the answer to a command may be.
    """

    def __init__(self, sessions: Sessions, session: FarSession, *, is_text: bool, answer_bytes: int) -> None:
        self._sessions = sessions
        self._session = session
        self._is_text = is_text
        self._answer_bytes = answer_bytes
        self._place = place(session.home, 0)
        self._alive = False
        self._counted_to = session.started

    @property
    def alive(self) -> bool:
        """Whether it takes commands."""
        return self._alive and self._session.outlives(0)

    async def begin(self, policy: Policy, launch: Launch, site: str | None) -> None:
        """Start the interpreter.

        Raises:
            AdapterError: it cannot be started.
        """
        root = self._session.home.root
        argv = held(self._session.home, setup(self._place, launch, held=True), site=site)
        job = base64.b64encode(make_session(policy, launch, self._place)).decode()
        code = f"import sys\nsys.path.insert(0, {root + '/enter'!r})\nimport notebook as _understudy\n"
        answer = Answer(policy, discard, is_text=self._is_text)
        word = secrets.token_hex(12)
        code += f"_understudy.begin({json.dumps(argv)}, {job!r}, {word!r}, {FIRST})"
        await self._told(code, word, answer, _BEGIN_S, Ticket())
        if not answer.begun:
            raise AdapterError("The interpreter could not be started.", may_have_started=False)
        self._alive = True

    async def run(self, frame: bytes, policy: Policy, emit: Emit) -> Ended:
        """Run one command.

        Raises:
            AdapterError: the session failed, and is over.
            SessionLost: it was over before.
        """
        if not self.alive:
            raise gone()
        policy = tightened(policy, self._answer_bytes)
        answer = Answer(policy, emit, is_text=self._is_text)
        word, ticket = secrets.token_hex(12), Ticket()
        order = base64.b64encode(command(frame, policy, self._place)).decode()
        within_s = policy.max_execution_time / 1000 + GRACE_S
        try:
            await self._told(f"_understudy.obey({order!r}, {word!r}, {FIRST})", word, answer, within_s, ticket)
            if not answer.has_ended:
                raise lost("its interpreter did not say how it ended")
        except BaseException as error:
            await self.aclose()
            if isinstance(error, AwsError) and error.kind is Kind.NOT_FOUND and not error.may_have_started:
                raise gone() from None
            raise
        if not answer.alive:
            self._alive = False
            self._sessions.stop_soon(self._session)
        return answer.ended()

    def spent(self, busy_s: float) -> Mapping[str, float]:
        """Seconds that AWS counts since this was last asked: of memory all, of processors those of calls alone."""
        now = time.monotonic()
        all_s, self._counted_to = now - self._counted_to, now
        return {"busy_s": min(busy_s, all_s), "all_s": all_s}

    async def aclose(self) -> None:
        """End it."""
        self._alive = False
        await self._sessions.stop(self._session, within_s=STOP_S)

    async def _told(self, code: str, word: str, answer: Answer, within_s: float, ticket: Ticket) -> None:
        """Have the notebook run a line of ours, and read what the runner said."""
        arguments = {"language": "python", "code": code, "clearContext": False}
        read = reader(word, answer.most_bytes)
        try:
            async with asyncio.timeout(within_s):
                reply = await self._sessions.tools.execute(
                    self._session.id, "executeCode", arguments, within_s + GRACE_S, ticket, read
                )
        except TimeoutError:
            raise lost(f"AWS did not say within {within_s:g} s how it ended") from None
        if reply.found is None:
            said = reply.said
            raise lost(f"its interpreter did not answer (exit code {said.exit_code}): {said.complaint}")
        await feed(answer, reply, self._more)

    async def _more(self, offset: int) -> str:
        word = secrets.token_hex(12)
        code = f"_understudy.more({word!r}, {offset}, {FIRST})"
        try:
            said = await self._sessions.tools.ask_notebook(self._session.id, code)
        except AwsError as error:
            raise lost(f"the answer could not be had: {error.message}") from None
        return str(beginning(said.stdout, word) or "")
