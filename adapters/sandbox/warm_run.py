"""One run in a sandbox that was ready before, from its job to the last of its processes being dead."""

import asyncio
import contextlib
import os
import socket
import time
from typing import TYPE_CHECKING

from adapters.guest.reports import GuestDone
from adapters.runner.budget import Budget
from adapters.runner.ended import Cause, Ended
from adapters.runner.takeout import Takeout
from adapters.sandbox.channels import Control, Outlet, Report, Taps
from adapters.sandbox.plan import Job, as_message
from adapters.sandbox.run import FILES_TIMEOUT_S
from adapters.sandbox.spare import Figures, Spare, settle
from adapters.sandbox.watch import Watch
from host.errors import AdapterError
from host.interface import Emit

if TYPE_CHECKING:
    from adapters.sandbox.accounts import Account

__all__ = ["WarmRun", "add_end"]

_SHORT_S = 0.008
"""Most runs are over by then. Only for the others somebody listens to their output and watches what they use."""

_GRACE_S = 0.05
"""How long a held sandbox may take to say that its program was killed, before all of it is."""

_FAILED_START = 127


class WarmRun:
    """One run. ``whole`` goes through to the end and is never cancelled; ``stop`` ends it early."""

    def __init__(self, job: Job, emit: Emit, taps: Taps, spare: Spare, account: "Account") -> None:
        self._job = job
        self._emit = emit
        self._taps = taps
        self._spare = spare
        self._account = account
        self._loop = asyncio.get_running_loop()
        self._timers: list[asyncio.TimerHandle] = []
        self._watching: asyncio.Task[None] | None = None
        self._watch: Watch | None = None
        self._pipes: tuple[Outlet, Outlet, Report] | None = None
        self._began = 0.0
        self._unsent: memoryview | None = None
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._done: GuestDone | None = None
        self._alone = False
        self.cause: Cause | None = None

    @property
    def pid(self) -> int:
        """The program as this host sees it."""
        return self._spare.pids()[1]

    def stop(self, cause: Cause) -> None:
        """End it. The first cause counts. The files of a program that its policy stopped still come out."""
        over = self._spare.ended.done() and cause not in (Cause.CANCELLED, Cause.OUTPUT)
        if self.cause is not None or over:
            return
        self.cause = cause
        if cause is Cause.CANCELLED or not self._spare.held:
            self._spare.kill()
        else:
            self._spare.kill_program()
            self._timers.append(self._loop.call_later(_GRACE_S, self._kill_the_slow))

    async def whole(self) -> Ended:
        """Run it.

        Raises:
            AdapterError: the sandbox could not be set up, or was lost.
        """
        spare = self._spare
        try:
            hurries = False
            try:
                hurries = not spare.is_ready() and not self._account.moves
                if hurries:  # it finds its job waiting, and leaves out what only spares time to others
                    with contextlib.suppress(ConnectionError):
                        self._send_now()
                await spare.ready()
                await self._account.take_in(spare)
                if not hurries:  # else it may have ended because it has run already
                    spare.check()
            except AdapterError as error:
                if self.cause is None:
                    error.may_have_started = error.may_have_started or hurries
                    raise
            if self.cause is not None and not hurries:
                return Ended(cause=self.cause)
            return await self._through()
        finally:
            for timer in self._timers:
                timer.cancel()
            if self._watching is not None:
                self._watching.cancel()
            for pipe in self._pipes or ():
                pipe.close()
            if not spare.dead.done():
                spare.kill()
                if not self._alone:
                    await spare.dead
            if spare.dead.done():
                self._give_back()
            else:  # what still ends runs nothing of anybody's
                spare.dead.add_done_callback(self._give_back)

    async def _through(self) -> Ended:
        spare, job = self._spare, self._job
        budget = Budget(job.max_output_bytes, lambda: self.stop(Cause.OUTPUT))
        stdout = Outlet(spare.taken("stdout"), self._taps, "stdout", budget, self._emit)
        stderr = Outlet(spare.taken("stderr"), self._taps, "stderr", budget, self._emit)
        report = Report(
            spare.taken("report"),
            self._taps,
            budget,
            self._emit,
            job.max_output_bytes,
            is_text=job.report_is_text,
            done=self._says_that_it_is_over,
        )
        self._pipes = (stdout, stderr, report)
        self._began = time.perf_counter()
        self._timers.append(self._loop.call_later(_SHORT_S, self._is_long))
        if not job.report_is_text:
            report.listen()
        await self._send()
        spare.ended.add_done_callback(lambda _: settle(self._over, None))
        await self._over
        files, figures = await self._wait_for_the_rest()
        wall_ms = (time.perf_counter() - self._began) * 1000
        for pipe in self._pipes:
            pipe.drain()
            pipe.close()
        ended = Ended.of(self.cause, stdout, stderr, report, budget, wall_ms)
        ended.report = await report.finish()
        if files:
            ended.files, ended.skipped = tuple(files.takeout.files), tuple(files.takeout.skipped)
        self._add(ended, figures)
        return ended

    def _says_that_it_is_over(self, done: GuestDone) -> None:
        """The guest's last word. The program can say it too, and is believed: it is killed then, so all it can lose is
        its own time. Other processes that still run in the sandbox are waited for.
        """
        if self.cause is None and self._done is None and self._account.processes() == 1:
            self._done = done
            settle(self._over, None)

    async def _wait_for_the_rest(self) -> "tuple[Control | None, Figures]":
        """What came out of the work folder, and how the program ended.

        What runs nothing of the program's any more is not waited for: its process on its way out, and the one that held
        its namespaces.

        Raises:
            AdapterError: the sandbox was lost.
        """
        spare = self._spare
        folder_is_empty = not (spare.held and spare.has_files())
        if self._done is not None and not spare.ended.done() and folder_is_empty:
            self._alone = True
            spare.kill_program()
            return None, Figures(status=self._done.exit_code << 8, cpu_us=0, peak_kib=0)
        figures = await spare.ended
        self._alone = self.cause is None and figures is not None and self._account.processes() == 0 and folder_is_empty
        files = None
        if not self._alone:
            files = await self._files() if spare.held else None
            figures = await spare.dead
        if figures is None:
            raise AdapterError("the sandbox was lost: the process that it was forked from ended", lost=True)
        return files, figures

    def _give_back(self, *_: object) -> None:
        self._spare.close()
        self._account.close()

    async def _send(self) -> None:
        """Send the job. For a guest that is executed the end of the line is the end of its stdin."""
        line = self._spare.line
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it was killed meanwhile
            self._send_now()
            if self._unsent:
                await self._loop.sock_sendall(line, self._unsent)
            if not self._job.mould.in_process:
                line.shutdown(socket.SHUT_WR)

    def _send_now(self) -> None:
        """Send as much as goes without waiting."""
        if self._unsent is None:
            job = self._job
            called = job.mould.in_process
            message = as_message(job.files) if called or job.mould.late else b""
            message += len(job.frame).to_bytes(8, "big") + job.frame if called else job.frame
            self._unsent = memoryview(message)
        if not self._unsent:
            return
        with contextlib.suppress(BlockingIOError):
            self._unsent = self._unsent[self._spare.line.send(self._unsent) :]

    def _is_long(self) -> None:
        """It was not over at once: listen, watch, and end it in time."""
        job = self._job
        left_s = self._began + job.deadline_ms / 1000 - time.perf_counter()
        self._timers.append(self._loop.call_later(max(left_s, 0.0), self.stop, Cause.DEADLINE))
        for pipe in self._pipes or ():
            pipe.listen()
        first, program = self._spare.pids()
        if first and program:
            counting = self._account if self._account.counting else None
            self._watch = Watch(first, job.mould.bounds, counting, program, self._spare.cpu_before_us / 1000)
            self._watching = asyncio.ensure_future(self._watched(self._watch))

    async def _watched(self, watch: Watch) -> None:
        self.stop(Cause((await watch.until_excess()).bound))

    def _kill_the_slow(self) -> None:
        if not self._spare.ended.done():
            self._spare.kill()

    async def _files(self) -> Control | None:
        """What came out of the work folder, once the program has ended; None where nobody can ask any more."""
        spare = self._spare
        if spare.dead.done() or self.cause is Cause.CANCELLED:
            return None
        ours, inside = socket.socketpair()
        with ours, inside:
            ours.settimeout(0)
            control = Control(ours.fileno(), self._taps, Takeout(*(self._job.mould.collect or ())))
            control.listen()
            try:
                spare.send_files_to(inside.fileno())
                inside.close()
                given = dict(self._job.files), *(self._job.mould.collect or (0, 0))
                with contextlib.suppress(OSError):
                    await self._loop.sock_sendall(ours, as_message(given))
                await asyncio.wait((control.ended, spare.dead), timeout=FILES_TIMEOUT_S, return_when="FIRST_COMPLETED")
                if not control.ended.done() and not spare.dead.done():
                    control.takeout.skip(f"the rest: reading the work folder took more than {FILES_TIMEOUT_S:g} s")
            finally:
                spare.kill()
                control.drain()
        return control

    def _add(self, ended: Ended, figures: Figures) -> None:
        """How it ended and what it used."""
        add_end(ended, figures, self._account, self._spare.cpu_before_us / 1000)
        if ended.exit_code == _FAILED_START:
            ended.trouble = self._spare.complaint()
        if self._watch is not None and not self._account.counting:
            ended.cpu_ms = max(ended.cpu_ms or 0.0, self._watch.cpu_ms or 0.0)
            ended.peak_memory_bytes = max(ended.peak_memory_bytes or 0, self._watch.peak_memory_bytes or 0)


def add_end(ended: Ended, figures: Figures, account: "Account", before_ms: float) -> None:
    """How a program ended and what it used: what the kernel says of its process, and of its control group.

    Args:
        ended: gets it.
        figures: of the process.
        account: of all that it started.
        before_ms: CPU time from before the program began.
    """
    status = figures.status
    ended.exit_code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
    ended.signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
    ended.cpu_ms = max(0.0, figures.cpu_us / 1000 - before_ms)
    ended.peak_memory_bytes = figures.peak_kib * 1024
    if account.counting:
        counts = account.counts()
        if counts.cpu_ms is not None:
            ended.cpu_ms = max(0.0, counts.cpu_ms - before_ms)
        ended.peak_memory_bytes = counts.peak_memory_bytes or ended.peak_memory_bytes
        ended.ran_out_of_memory = counts.out_of_memory
