"""One program in one container, from its job to its result; and sessions, command by command."""

import asyncio

from adapters.container.box import Box
from adapters.runner.answer import Answer, AnswerError
from adapters.runner.ended import Cause, Ended
from adapters.runner.job import CONTAINED, command, packed
from adapters.runner.live import gone
from host.errors import AdapterError
from host.events import get_logger
from host.interface import Emit
from host.policy import Policy

__all__ = ["LiveSession", "Run", "end"]

_log = get_logger("understudy.container")
_GRACE_S = 1.0
"""The runner holds the deadline; where it does not, for want of a processor or because it is gone, we do."""
_CANCEL = packed(b'{"cancel":true}')


class Run:
    """One program in its container.

    Args:
        box: the container; its runner waits.
        policy: what the program may use.
        emit: is told of output as it comes.
        is_text: whether reports are the bare text of the value.
    """

    def __init__(self, box: Box, policy: Policy, emit: Emit, *, is_text: bool) -> None:
        self._box = box
        self._policy = policy
        self._answer = Answer(policy, emit, is_text=is_text)
        self._cause: Cause | None = None
        self._killing: asyncio.Task[None] | None = None

    @property
    def answer(self) -> Answer:
        """What the runner has said."""
        return self._answer

    async def whole(self, job: bytes) -> Ended:
        """Run it. When this ends, in whatever way, nothing of the program runs any more.

        Raises:
            AdapterError: the engine or the container failed, not the program.
        """
        try:
            ended = await self.attend(job)
        except (AdapterError, asyncio.CancelledError):
            await end(self._box)
            raise
        if self._cause is None:
            self._box.hang_up()
        return ended

    def stop(self, cause: Cause) -> None:
        """Kill the container. The first cause counts."""
        if self._cause is None:
            self._cause = cause
            self._killing = asyncio.create_task(end(self._box), name="understudy-container-kill")

    async def attend(self, message: bytes) -> Ended:
        """Give the container a job or a command, and read until what comes of it is over.

        Raises:
            AdapterError: the engine or the container failed, not the program.
        """
        deadline_s = self._policy.max_execution_time / 1000 + _GRACE_S
        timer = asyncio.get_running_loop().call_later(deadline_s, self.stop, Cause.DEADLINE)
        try:
            await self._listen(message)
        except AnswerError as error:
            raise AdapterError(f"the container said something that cannot be read: {error}", lost=True) from error
        except AdapterError:
            if self._cause is None:
                raise
        finally:
            timer.cancel()
            if self._killing is not None:
                await asyncio.wait([self._killing])
        answer = self._answer
        if answer.trouble:
            reason = f"the program could not be started in the container: {answer.trouble}"
            raise AdapterError(reason, may_have_started=False)
        if answer.has_ended or self._cause is not None:
            return answer.ended(None if answer.has_ended else self._cause)
        return await self._without_a_word()

    async def _listen(self, message: bytes) -> None:
        await self._box.give(packed(message))
        while not self._answer.over:
            data = await self._box.read()
            if data is None:
                return
            self._answer.feed(data)

    async def _without_a_word(self) -> Ended:
        """The container ended before its runner said how the program did."""
        if await self._box.was_out_of_memory():
            return self._answer.ended(Cause.MEMORY)
        raise AdapterError(
            "the container ended before the program did: somebody removed it, or its engine was stopped",
            remedy="See what the engine's log says of it.",
            lost=True,
        )


async def end(box: Box) -> None:
    """Kill a container and wait until nothing of it runs, however often whoever waits loses patience."""
    killing = asyncio.ensure_future(_kill(box))
    cancelled = False
    while not killing.done():
        try:
            await asyncio.shield(killing)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError


async def _kill(box: Box) -> None:
    try:
        await box.kill()
    except AdapterError as error:
        _log.warning("container_not_killed", container=box.id[:12], reason=str(error))
    await box.remove()


class LiveSession:
    """An interpreter in a container of its own.

    Args:
        box: the container; its runner waits.
        is_text: whether reports are the bare text of the value.
    """

    def __init__(self, box: Box, *, is_text: bool) -> None:
        self._box = box
        self._is_text = is_text
        self._alive = True

    @property
    def alive(self) -> bool:
        """Whether it takes commands."""
        return self._alive

    async def run(self, frame: bytes, policy: Policy, emit: Emit) -> Ended:
        """Run one command.

        Raises:
            SessionLost: the interpreter was gone before the command; nothing was run.
            AdapterError: the engine or the container failed.
        """
        if not self._alive:
            raise gone()
        run = Run(self._box, policy, emit, is_text=self._is_text)
        attending = asyncio.ensure_future(run.attend(command(frame, policy, CONTAINED)))
        try:
            return await asyncio.shield(attending)
        except asyncio.CancelledError:
            await self._interrupt(run, attending)
            raise
        finally:
            if not run.answer.alive:
                await self.aclose()

    async def _interrupt(self, run: Run, attending: "asyncio.Future[Ended]") -> None:
        """The runner asks the command to give way, and ends the interpreter where it does not."""
        try:
            await self._box.give(_CANCEL)
            async with asyncio.timeout(_GRACE_S):
                await asyncio.shield(attending)
        except (AdapterError, TimeoutError):
            run.stop(Cause.CANCELLED)
        await asyncio.gather(attending, return_exceptions=True)

    async def aclose(self) -> None:
        """End it, and wait until nothing of it runs."""
        if self._alive:
            self._alive = False
            await end(self._box)
