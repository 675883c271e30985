"""A request on its way, and how the run of its program ends: what the adapter reports, or what the host makes of its
silence.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from host.errors import AdapterError
from host.events import get_logger
from host.models import ExecutionRequest, ExecutionResult, Status
from host.outcomes import Recorder, cut_off
from host.policy import Policy
from host.sessions import Command

if TYPE_CHECKING:
    from host.streams import Stream

__all__ = ["Running", "outcome", "stopped"]

_BACKSTOP_MS = 5000
"""How long past its policy's time an adapter may take to report; then the host itself ends the run."""

_BY_ADAPTERS = frozenset(Status) - {Status.DENIED, Status.INTERRUPTED}

_log = get_logger("understudy.dispatch")


@dataclass(slots=True)
class Running:
    """A request from its acceptance to its record.

    Attributes:
        request: with its language's proper name.
        policy: the one that applies.
        adapter: which one runs it; None until the intent is written.
        recorder: what came out until now; None until then too.
        task: the adapter's own; None until it is called.
        cancelled_because: why somebody wants it stopped.
        command: its way through its session; None where it is of none.
        stream: who is told of what happens; None where nobody is.
        result: the recorded one.
        done: set when it has its record, or is known to get none.
    """

    request: ExecutionRequest
    policy: Policy
    adapter: str | None = None
    recorder: Recorder | None = None
    task: "asyncio.Task[ExecutionResult] | None" = None
    cancelled_because: str | None = None
    command: Command | None = None
    stream: "Stream | None" = None
    result: ExecutionResult | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self, adapter: str, recorder: Recorder) -> None:
        """The intent is written; the adapter is about to be called."""
        self.adapter, self.recorder = adapter, recorder
        if self.stream is not None:
            self.tell(self.stream)

    def tell(self, stream: "Stream") -> None:
        """Let a stream know of what happens, and of what has happened already."""
        self.stream = stream
        if self.adapter is not None and self.recorder is not None:
            stream.start(self.request, self.policy, self.adapter)
            self.recorder.also(stream.take)


async def outcome(running: Running, policy: Policy, recorder: Recorder) -> ExecutionResult:
    """What the adapter reports, or what the host makes of its silence or failure."""
    request, task = running.request, running.task
    assert task is not None  # noqa: S101 - the caller has just made it
    backstop = (policy.max_execution_time + _BACKSTOP_MS) / 1000
    await _ended(task, backstop)
    if not task.done():
        reason = f"The program used up its {policy.max_execution_time} ms, and the host had to end it."
        return await stopped(running, policy, recorder, reason, Status.TIMED_OUT)
    if task.cancelled():
        reason = _with_last_words(task, running.cancelled_because or "The run was cancelled.")
        return cut_off(request, policy, recorder, Status.CANCELLED, reason)
    error = task.exception()
    if error is None:
        result = task.result()
        if isinstance(result, ExecutionResult) and result.status in _BY_ADAPTERS:
            return result
        error = TypeError(f"it answered with {type(result).__name__} {getattr(result, 'status', '')}".rstrip())
    if isinstance(error, AdapterError):
        status = Status.INTERRUPTED if error.lost else Status.ADAPTER_FAILED
        return cut_off(request, policy, recorder, status, str(error), may_have_started=error.may_have_started)
    _log.error("adapter_raised", adapter=running.adapter, execution=request.id, exc_info=error)
    reason = f"Adapter {running.adapter} failed: {type(error).__name__}: {error}"
    return cut_off(request, policy, recorder, Status.ADAPTER_FAILED, reason)


async def stopped(
    running: Running, policy: Policy, recorder: Recorder, reason: str, status: Status = Status.CANCELLED
) -> ExecutionResult:
    """End a run and wait until the adapter says that it is dead."""
    task = running.task
    assert task is not None  # noqa: S101 - it is stopped because it runs
    task.cancel()
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):  # cancelled again while the wall comes down: still wait
            await asyncio.wait((task,))
    if not task.cancelled() and task.exception() is None:
        result = task.result()
        if isinstance(result, ExecutionResult) and result.status in _BY_ADAPTERS:
            return result  # it ended by itself just before it was stopped
    reason = _with_last_words(task, reason)
    return cut_off(running.request, policy, recorder, status, reason)


def _with_last_words(task: "asyncio.Task[Any]", reason: str) -> str:
    """The reason, and what the adapter says of a cancelled run: that it goes on where nobody can end it."""
    if task.cancelled():
        try:
            task.result()
        except asyncio.CancelledError as error:
            return " ".join((reason, *(str(each) for each in error.args)))
    return reason


async def _ended(task: "asyncio.Task[Any]", within_s: float) -> None:
    """Wait until a task has ended, whatever became of it, or the time is over.

    It is ``asyncio.wait`` at a third of its cost.
    """
    loop = asyncio.get_running_loop()
    waiter = loop.create_future()

    def wake(_: object = None) -> None:
        if not waiter.done():
            waiter.set_result(None)

    timer = loop.call_later(within_s, wake)
    task.add_done_callback(wake)
    try:
        await waiter
    finally:
        timer.cancel()
        task.remove_done_callback(wake)
