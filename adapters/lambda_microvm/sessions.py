"""Live interpreters, each in a MicroVM of its own."""

import asyncio
from contextlib import suppress

from adapters.lambda_microvm.door import NotYet
from adapters.lambda_microvm.fleet import Fleet
from adapters.lambda_microvm.machine import Machine, MachineIsOver
from adapters.lambda_microvm.run import whole
from adapters.runner.answer import Answer, AnswerError
from adapters.runner.ended import Ended
from adapters.runner.live import gone
from host.errors import AdapterError, SessionLost
from host.interface import Emit, discard
from host.policy import Policy

__all__ = ["LiveSession", "microvm_gone"]

_OPEN_S = 60.0
_TRUSTED_S = 5.0
"""One that was heard so lately is taken for alive; its connection is too young to have been closed."""
_LOOKS = 3
_PAUSE_S = 0.3
_GIVE_WAY_S = 3.0
_LEAST_LEFT_S = 1.0


def microvm_gone() -> SessionLost:
    """The MicroVM was gone before the command."""
    return gone("its MicroVM is gone")


class LiveSession:
    """An interpreter. Commands come one at a time.

    Args:
        fleet: who ends its MicroVM.
        machine: its MicroVM.
        idle_s: after which AWS ends it while it is not used.
        is_text: whether reports are the bare text of the value.

    Attributes:
        machine: its MicroVM.
        paid_s: for how much of the MicroVM's time earlier commands were charged.
    """

    def __init__(self, fleet: Fleet, machine: Machine, idle_s: float, *, is_text: bool) -> None:
        self._fleet = fleet
        self.machine = machine
        self.paid_s = 0.0
        self._idle_s = idle_s
        self._is_text = is_text
        self._alive = True
        self._ended = False
        self._running: asyncio.Task[Ended] | None = None

    @property
    def alive(self) -> bool:
        """Whether it takes commands, as far as can be known without asking."""
        idle = self._running is None and self.machine.silent_s > self._idle_s
        return self._alive and not idle and self.machine.left_s > _LEAST_LEFT_S

    async def begin(self, body: bytes, policy: Policy) -> None:
        """Start the interpreter.

        Raises:
            AdapterError: it does not start.
        """
        answer = Answer(policy, discard)
        try:
            async with asyncio.timeout(_OPEN_S):
                async with await self.machine.post("/session", body, _OPEN_S) as pieces:
                    async for piece in pieces:
                        answer.feed(piece)
                        if answer.begun or answer.trouble:
                            break
        except TimeoutError:
            raise AdapterError(
                f"The interpreter in MicroVM {self.machine.id} did not start in {_OPEN_S:g} s.",
                retryable=True,
                may_have_started=False,
            ) from None
        except AnswerError as error:
            raise AdapterError(
                f"MicroVM {self.machine.id} said what cannot be read: {error}.", may_have_started=False
            ) from None
        if not answer.begun:
            reason = answer.trouble or "it ended at once"
            raise AdapterError(f"The interpreter could not be started: {reason}.", may_have_started=False)
        self.machine.heard()

    async def run(self, body: bytes, policy: Policy, emit: Emit) -> Ended:
        """Run one command.

        Raises:
            SessionLost: the interpreter was gone before the command; nothing was run.
            AdapterError: the wall failed.
        """
        await self._must_be_there()
        answer = Answer(policy, emit, is_text=self._is_text)
        running = whole(self.machine, "/command", body, policy, answer, begins=False)
        self._running = asyncio.create_task(running, name="understudy-microvm-command")
        try:
            return await asyncio.shield(self._running)
        except asyncio.CancelledError:
            if not self._alive:
                raise AdapterError("The session was closed while its command ran.", may_have_started=True) from None
            await self._interrupt(self._running)
            raise
        finally:
            self._running = None
            if not answer.alive:
                await self.aclose()

    async def aclose(self) -> None:
        """End it. One that is closed may be closed again."""
        self._alive = False
        if self._running is not None:
            self._running.cancel()
        if not self._ended:
            await self._fleet.end(self.machine)
            self._ended = True

    async def _must_be_there(self) -> None:
        """A command is sent once, so it is sent only to one that answers."""
        if not self.alive:
            raise microvm_gone()
        if self.machine.silent_s < _TRUSTED_S:
            return
        for _ in range(_LOOKS):
            try:
                await self.machine.look()
            except NotYet:
                try:
                    await self.machine.must_live()
                except MachineIsOver:
                    break
                await asyncio.sleep(_PAUSE_S)
            else:
                return
        await self.aclose()
        raise microvm_gone()

    async def _interrupt(self, running: "asyncio.Task[Ended]") -> None:
        """Ask the command to give way; the runner ends the interpreter where it does not."""
        with suppress(AdapterError, SessionLost):
            await self.machine.ask("/cancel")
            await asyncio.wait({running}, timeout=_GIVE_WAY_S)
        if not running.done():
            running.cancel()
        await asyncio.gather(running, return_exceptions=True)
