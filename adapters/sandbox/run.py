"""One run behind the wall, from its plan to the last of its processes being dead."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable
from typing import Protocol

from adapters.runner.budget import Budget
from adapters.runner.ended import Cause, Ended
from adapters.runner.takeout import Takeout
from adapters.sandbox.cgroups import Cgroups, Group
from adapters.sandbox.channels import Control, Outlet, Report, Taps
from adapters.sandbox.plan import Job
from adapters.sandbox.spawner import Around
from adapters.sandbox.wall import Walled
from adapters.sandbox.watch import Watch
from host.errors import AdapterError
from host.interface import Emit

__all__ = ["Run", "Spawn"]

FILES_TIMEOUT_S = 30.0
OWN_MEMORY_BYTES = 16 << 20  # bubblewrap and the launcher are in the group too
OWN_PROCESSES = 2
_GROUP_PAUSE_S = 0.002
_GROUP_PATIENCE_S = 5.0


class Spawn(Protocol):
    """Starts the process of a sandbox, which is in ``around`` meanwhile."""

    def __call__(self, walled: Walled, *, around: Around) -> Awaitable[None]: ...


class Run:
    """One run. ``whole`` goes through to the end and is never cancelled; ``stop`` ends it early."""

    def __init__(
        self,
        job: Job,
        emit: Emit,
        taps: Taps,
        spawn: Spawn,
        cgroups: Cgroups | None,
        start_timeout_s: float,
        label: str,
    ) -> None:
        self._job = job
        self._emit = emit
        self._taps = taps
        self._spawn = spawn
        self._cgroups = cgroups
        self._start_timeout_s = start_timeout_s
        self._loop = asyncio.get_running_loop()
        self._walled = Walled(label)
        self._group: Group | None = None
        self.cause: Cause | None = None

    @property
    def pid(self) -> int:
        """The launcher as this host sees it."""
        return self._walled.pid

    def stop(self, cause: Cause) -> None:
        """Kill everything inside, as soon as there is something. The first cause counts."""
        if self.cause is None:
            self.cause = cause
        self._walled.kill()

    async def whole(self) -> Ended:
        """Run it.

        Raises:
            AdapterError: the wall could not be set up, or was lost.
        """
        walled = self._walled
        try:
            await self._bring_up()
            if self.cause is not None:
                return Ended(cause=self.cause)
            return await self._go()
        finally:
            walled.kill()
            await walled.dead()
            walled.close()
            if self._group is not None:
                await _remove(self._group)

    async def _bring_up(self) -> None:
        if self._cgroups is None:
            await self._spawn(self._walled, around=contextlib.nullcontext())
            await self._started()
            return
        try:
            self._group = self._cgroups.create()
            bounds = self._job.mould.bounds
            self._group.limit(bounds.memory_bytes + OWN_MEMORY_BYTES, bounds.threads + OWN_PROCESSES)
        except OSError as error:
            raise AdapterError(
                f"no control group could be made: {error}", retryable=True, may_have_started=False
            ) from error
        await self._spawn(self._walled, around=self._group.around())
        await self._started()
        await self._take_in(self._group)

    async def _started(self) -> None:
        try:
            async with asyncio.timeout(self._start_timeout_s):
                await self._walled.started()
        except TimeoutError:
            raise await self._walled.failure(f"it took longer than {self._start_timeout_s:g} s") from None

    async def _take_in(self, group: Group) -> None:
        """Move in what is not in the group yet; the caller's code has not started.

        Raises:
            AdapterError: the kernel refuses.
        """
        try:
            if not group.has_all(self._walled.pid):
                await asyncio.to_thread(group.take_in, self._walled.pid)
        except (FileNotFoundError, ProcessLookupError):  # it ended; waiting for it to be ready tells
            return
        except OSError as error:
            raise AdapterError(
                f"the run cannot be put into its control group: {error}", retryable=True, may_have_started=False
            ) from error

    async def _go(self) -> Ended:
        control = Control(self._walled.control.fileno(), self._taps, Takeout(*(self._job.mould.collect or ())))
        control.listen()
        try:
            await self._ready(control)
            return await self._through(control)
        finally:
            control.close()

    async def _ready(self, control: Control) -> None:
        """Wait for the launcher. Until then what comes on stderr is bubblewrap's."""
        what = "the launcher does not answer"
        try:
            await asyncio.wait_for(asyncio.shield(control.ready), self._start_timeout_s)
            what = control.trouble or "the launcher ended before it was ready"
        except TimeoutError:
            pass
        if not control.is_ready and self.cause is None:
            raise await self._walled.failure(what)
        if self._group is not None:
            await self._take_in(self._group)

    async def _through(self, control: Control) -> Ended:
        walled, job = self._walled, self._job
        budget = Budget(job.max_output_bytes, lambda: self.stop(Cause.OUTPUT))
        stdout = Outlet(walled.taken("stdout"), self._taps, "stdout", budget, self._emit)
        stderr = Outlet(walled.taken("stderr"), self._taps, "stderr", budget, self._emit)
        report = Report(
            walled.taken("report"), self._taps, budget, self._emit, job.max_output_bytes, is_text=job.report_is_text
        )
        watch = Watch(walled.pid, job.mould.bounds, self._group)
        try:
            for pipe in (stdout, stderr, report):
                pipe.listen()
            watch.begin()
            began = time.perf_counter()
            await self._let_go(control, watch)
            wall_ms = (time.perf_counter() - began) * 1000
            await self._finish(control)
            await walled.dead()
            await asyncio.gather(stdout.ended, stderr.ended, report.ended)
        finally:
            for pipe in (stdout, stderr, report):
                pipe.close()
        ended = Ended.of(self.cause, stdout, stderr, report, budget, wall_ms)
        ended.report = await report.finish()
        ended.files, ended.skipped = tuple(control.takeout.files), tuple(control.takeout.skipped)
        ended.trouble = control.trouble
        self._add_usage(ended, control, watch)
        return ended

    async def _let_go(self, control: Control, watch: Watch) -> None:
        """Let the program go, until it has ended by itself or was ended."""
        deadline = self._loop.call_later(self._job.deadline_ms / 1000, self.stop, Cause.DEADLINE)
        watching = asyncio.ensure_future(self._watch(watch))
        try:
            self._walled.give_frame(self._job.frame)
            with contextlib.suppress(
                BrokenPipeError, ConnectionResetError
            ):  # it was killed meanwhile, or says why it died
                await self._loop.sock_sendall(self._walled.control, self._job.plan())
            await control.over
        finally:
            deadline.cancel()
            watching.cancel()

    async def _watch(self, watch: Watch) -> None:
        self.stop(Cause((await watch.until_excess()).bound))

    async def _finish(self, control: Control) -> None:
        """The launcher sends the files and ends; a folder that is made to take for ever does not hold the result up for
        ever.
        """
        try:
            await asyncio.wait_for(asyncio.shield(control.ended), FILES_TIMEOUT_S)
        except TimeoutError:
            control.takeout.skip(f"the rest: reading the work folder took more than {FILES_TIMEOUT_S:g} s")
            self._walled.kill()

    def _add_usage(self, ended: Ended, control: Control, watch: Watch) -> None:
        ended.cpu_ms, ended.peak_memory_bytes = watch.cpu_ms, watch.peak_memory_bytes
        if control.outcome is not None:
            code, number, cpu_us, peak_kib = control.outcome
            ended.exit_code = code if code >= 0 else None
            ended.signal = number if number > 0 else None
            ended.cpu_ms = cpu_us / 1000
            ended.peak_memory_bytes = max(ended.peak_memory_bytes or 0, peak_kib * 1024)
        if self._group is not None:
            counts = self._group.counts()
            ended.cpu_ms = watch.since_begin(counts.cpu_ms) if ended.cpu_ms is None else ended.cpu_ms
            ended.peak_memory_bytes = counts.peak_memory_bytes or ended.peak_memory_bytes
            ended.ran_out_of_memory = counts.out_of_memory


async def _remove(group: Group) -> None:
    """Remove the group of a run whose processes are all dead. The kernel may need a moment to see it empty."""
    until = time.monotonic() + _GROUP_PATIENCE_S
    while not group.remove():
        if time.monotonic() > until:
            raise AdapterError("the control group of a run does not become empty", lost=True)
        await asyncio.sleep(_GROUP_PAUSE_S)
