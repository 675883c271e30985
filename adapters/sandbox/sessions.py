"""Live interpreters: a sandbox that takes command after command and keeps its variables and its work folder."""

import asyncio
import time

from adapters.guest.reports import GuestDone
from adapters.runner.budget import Budget
from adapters.runner.ended import Cause, Ended
from adapters.runner.live import gone
from adapters.sandbox.accounts import Account
from adapters.sandbox.channels import Outlet, Report, Taps
from adapters.sandbox.plan import Mould
from adapters.sandbox.spare import Spare
from adapters.sandbox.warm_run import add_end
from adapters.sandbox.watch import Watch
from host.errors import AdapterError
from host.interface import Emit, discard
from host.policy import Policy

__all__ = ["LiveSession"]

_SHORT_S = 0.008
_GRACE_S = 0.05
"""How long a command may take to give way when it is interrupted, before its interpreter is killed."""


class LiveSession:
    """One interpreter. Commands come one at a time.

    Args:
        spare: a sandbox that was made for a session; ready.
        account: what it may use and has used.
        mould: what it is like.
        taps: what its output is listened to with.
        policy: the session's.
    """

    def __init__(self, spare: Spare, account: Account, mould: Mould, taps: Taps, policy: Policy) -> None:
        self._spare = spare
        self._account = account
        self._mould = mould
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[GuestDone | None] | None = None
        self._cause: Cause | None = None
        self._closed = False
        budget = Budget(0, _nothing)
        self._stdout = Outlet(spare.taken("stdout"), taps, "stdout", budget, discard)
        self._stderr = Outlet(spare.taken("stderr"), taps, "stderr", budget, discard)
        self._report = Report(
            spare.taken("report"),
            taps,
            budget,
            discard,
            policy.max_output_bytes,
            done=self._command_is_over,
            to_the_end=True,
        )
        spare.ended.add_done_callback(lambda _: spare.kill())  # a session whose interpreter ended is held no longer
        spare.dead.add_done_callback(lambda _: self._settle(None))

    @property
    def alive(self) -> bool:
        """Whether it takes commands."""
        return not (self._closed or self._spare.ended.done())

    def stop(self, cause: Cause) -> None:
        """End the command that runs. The first cause counts.

        One that ran out of time, or that nobody wants any more, is interrupted first, and the session goes on if it
        gives way; any other limit ends the interpreter.
        """
        if self._cause is not None:
            return
        self._cause = cause
        if cause in (Cause.DEADLINE, Cause.CANCELLED):
            self._spare.interrupt()
            self._loop.call_later(_GRACE_S, self._kill_the_stubborn, self._done)
        else:
            self._spare.kill()

    def _kill_the_stubborn(self, command: "asyncio.Future[GuestDone | None] | None") -> None:
        if command is not None and not command.done():
            self._spare.kill()

    async def run(self, frame: bytes, policy: Policy, emit: Emit) -> Ended:
        """Run one command.

        Args:
            frame: the command, as the guest takes it.
            policy: what it may use.
            emit: is told of its output as it comes.

        Raises:
            SessionLost: the interpreter is gone; nothing was run.
        """
        if not self.alive:
            raise gone()
        budget = Budget(policy.max_output_bytes, lambda: self.stop(Cause.OUTPUT))
        pipes = (self._stdout, self._stderr, self._report)
        for pipe in pipes:
            pipe.begin(budget, emit)
        self._cause = None
        self._done = self._loop.create_future()
        before = self._spent()
        began = time.perf_counter()
        long = _Long(self, pipes, policy, self._mould, before)
        timer = self._loop.call_later(_SHORT_S, long.begin, began)
        try:
            self._report.listen()
            await self._send(frame)
            done = await self._done
            wall_ms = (time.perf_counter() - began) * 1000
        finally:
            timer.cancel()
            long.end()
            self._done = None
        if done is None:
            await self._spare.dead
        for pipe in pipes:
            pipe.drain()
            pipe.pause()
        self._stdout.finish()
        self._stderr.finish()
        ended = Ended.of(self._cause, self._stdout, self._stderr, self._report, budget, wall_ms)
        ended.report = done.report if done else await self._report.finish()
        if done is None:
            self._add_end(ended)
        else:
            ended.exit_code = done.exit_code
            ended.cpu_ms = max(0.0, self._spent() - before)
            ended.peak_memory_bytes = self._peak()
        return ended

    async def aclose(self) -> None:
        """End the interpreter, and wait until all that it started is dead."""
        if self._closed:
            return
        self._closed = True
        self._spare.kill()
        await self._spare.dead
        for pipe in (self._stdout, self._stderr, self._report):
            pipe.close()
        self._spare.close()
        self._account.close()

    def pids(self) -> tuple[int, int]:
        """Its first process and its interpreter, as this host sees them."""
        return self._spare.pids()

    @property
    def account(self) -> Account:
        """What it may use and has used."""
        return self._account

    async def _send(self, frame: bytes) -> None:
        line = self._spare.line
        try:
            try:
                sent = line.send(frame)
            except BlockingIOError:
                sent = 0
            if sent < len(frame):
                await self._loop.sock_sendall(line, memoryview(frame)[sent:])
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has ended, and that is told another way

    def _command_is_over(self, done: GuestDone) -> None:
        self._settle(done)

    def _settle(self, done: GuestDone | None) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(done)

    def _spent(self) -> float:
        """CPU time so far, in ms: of everything in it where the kernel counts, else of the interpreter itself."""
        if self._account.counting:
            return self._account.cpu_ms() or 0.0
        return _cpu_ms(self._spare.pids()[1])

    def _peak(self) -> int | None:
        if self._account.counting:
            return self._account.counts().peak_memory_bytes
        return _peak_bytes(self._spare.pids()[1])

    def _add_end(self, ended: Ended) -> None:
        figures = self._spare.dead.result()
        if figures is None:
            raise AdapterError("the session was lost: the process that it was forked from ended", lost=True)
        add_end(ended, figures, self._account, self._spare.cpu_before_us / 1000)


class _Long:
    """What is done only for a command that is not over at once."""

    def __init__(
        self,
        session: LiveSession,
        pipes: tuple[Outlet, Outlet, Report],
        policy: Policy,
        mould: Mould,
        spent_ms: float,
    ) -> None:
        self._session = session
        self._pipes = pipes
        self._policy = policy
        self._mould = mould
        self._spent_ms = spent_ms
        self._deadline: asyncio.TimerHandle | None = None
        self._watching: asyncio.Task[None] | None = None

    def begin(self, began: float) -> None:
        """Listen, watch, and end it in time."""
        left_s = began + self._policy.max_execution_time / 1000 - time.perf_counter()
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(max(left_s, 0.0), self._session.stop, Cause.DEADLINE)
        for pipe in self._pipes:
            pipe.listen()
        first, program = self._session.pids()
        if first and program:
            account = self._session.account
            bounds = self._mould.bounds.with_cpu(self._policy.max_cpu_time)
            watch = Watch(first, bounds, account if account.counting else None, program, self._spent_ms)
            self._watching = asyncio.ensure_future(self._watched(watch))

    def end(self) -> None:
        """The command is over."""
        if self._deadline is not None:
            self._deadline.cancel()
        if self._watching is not None:
            self._watching.cancel()

    async def _watched(self, watch: Watch) -> None:
        self._session.stop(Cause((await watch.until_excess()).bound))


def _cpu_ms(pid: int) -> float:
    """CPU time of a process by its own clock, which anybody may read; 0 when it is gone."""
    if not pid:
        return 0.0
    try:
        return time.clock_gettime_ns((~pid << 3) | 2) / 1e6
    except OSError:
        return 0.0


def _peak_bytes(pid: int) -> int | None:
    """The most memory that a process ever had."""
    try:
        with open(f"/proc/{pid}/status") as status:  # noqa: PTH123
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def _nothing() -> None:
    """Between commands nothing comes out, and that is no offence."""
