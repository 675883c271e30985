"""The adapter of monty: a Python subset in an interpreter that can reach nothing, in worker processes of its own pool.

The interpreter is the wall: it has no call that opens a file, a socket or a process, and no way to load code that has.
It meters time and memory from outside the program, in the worker; the pool kills a worker that oversteps its time.

Each run has a thread of the adapter's own that waits for its worker: the asynchronous pool of pydantic-monty 1.4.0 lets
go of Python objects in threads that outlive the interpreter, and one process in three crashed as it ended.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import pydantic_monty as monty
from pydantic import Field

from adapters.monty.crossing import check_inputs
from adapters.monty.decline import Decline
from adapters.monty.run import Run
from adapters.monty.source import Prepared, plain_names, prepare
from host.errors import AdapterError
from host.interface import AdapterContext, Capabilities, CheckResult, Emit, Finding, Refusal
from host.models import ExecutionRequest, ExecutionResult
from host.policy import ENFORCED_FIELDS, Enforcement, Policy
from host.tables import AdapterTable
from host.values import ValueFormatError, loads

__all__ = ["MontyAdapter"]

_T = TypeVar("_T")

_CAPABILITIES = Capabilities(
    version=monty.__version__,
    languages=("python",),
    enforcement=dict.fromkeys(ENFORCED_FIELDS, Enforcement.WALL),
    streaming=True,
)
_MAX_INPUT_BYTES = 16 << 20
_CHECKOUT_S = 30.0
_REMEDY = "Install it anew: pip install --force-reinstall pydantic-monty"


class MontySettings(AdapterTable):
    """What the table ``[adapters.monty]`` may say."""

    table = "monty"

    workers: int = Field(
        default_factory=lambda: max(16, os.cpu_count() or 1), ge=1, description="programs at one time, at most"
    )


class MontyAdapter:
    """Runs what it is sure about and declines the rest. Its settings are ``MontySettings``."""

    name = "monty"

    def __init__(self) -> None:
        self._pool: Any = None
        self._threads: ThreadPoolExecutor | None = None
        self._runs: dict[Run, Future[ExecutionResult]] = {}
        self._closing = False

    def capabilities(self) -> Capabilities:
        return _CAPABILITIES

    async def start(self, context: AdapterContext) -> None:
        """Start the pool with one warm worker.

        Raises:
            AdapterError: the worker's program is missing or does not start.
        """
        workers = MontySettings.read(context.settings).workers
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="monty")
        try:
            self._pool = await self._in_thread(_started_pool, workers)
        except (OSError, RuntimeError, monty.MontyError) as error:
            self._threads.shutdown(wait=False)
            raise AdapterError(f"the monty worker does not start: {error}", remedy=_REMEDY) from error

    async def check(self) -> CheckResult:
        """Run a program."""
        if self._pool is None:
            return CheckResult(ok=False, reason="It was not started.", remedy="Start the host anew.")
        try:
            answer = await self._in_thread(_first_program, self._pool)
        except (OSError, RuntimeError, monty.MontyError) as error:
            finding = Finding(name="worker", ok=False, reason=f"The worker does not answer: {error}", remedy=_REMEDY)
            return CheckResult(ok=False, reason=finding.reason, remedy=_REMEDY, findings=(finding,))
        right = answer == "3.30"
        finding = Finding(
            name="worker",
            ok=right,
            reason="A program ran and gave the right answer."
            if right
            else f"A program gave the wrong answer {answer}.",
            remedy="" if right else _REMEDY,
        )
        return CheckResult(ok=right, reason=finding.reason, remedy=finding.remedy, findings=(finding,))

    def accepts(self, request: ExecutionRequest, policy: Policy) -> Refusal | None:
        """Decline whatever is not known to have CPython's answer."""
        try:
            self._prepared(request, policy)
        except Decline as declined:
            return declined.refusal()
        return None

    async def execute(self, request: ExecutionRequest, policy: Policy, emit: Emit) -> ExecutionResult:
        """Run the program in a fresh session.

        Raises:
            AdapterError: the worker failed, or monty is not given this program.
        """
        try:
            prepared, inputs = self._prepared(request, policy)
        except Decline as declined:
            raise AdapterError(declined.refusal().reason, may_have_started=False) from None
        if self._pool is None or self._threads is None or self._closing:
            raise AdapterError("monty is closed.", may_have_started=False)
        run = Run(request, policy, emit)
        future = self._threads.submit(run.to_end, self._pool, prepared, inputs, _limits(policy))
        self._runs[run] = future
        try:
            return await _outcome(run, future)
        finally:
            del self._runs[run]

    async def reap(self, dead_owners: Sequence[str]) -> int:
        """Nothing: a worker ends when the host that holds its pipes does."""
        return 0

    async def aclose(self) -> None:
        """Kill what runs and end the workers."""
        self._closing = True
        for run, future in list(self._runs.items()):
            if not future.cancel():
                run.stop()
        pool, self._pool = self._pool, None
        if pool is not None and self._threads is not None:
            await self._in_thread(_close, pool)
            await asyncio.to_thread(self._threads.shutdown)

    async def _in_thread(self, function: Callable[..., _T], *arguments: Any) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    def _prepared(self, request: ExecutionRequest, policy: Policy) -> tuple[Prepared, dict[str, Any]]:
        """The program and the names that it sees.

        Raises:
            Decline: monty is not given it.
        """
        if request.files:
            raise Decline(None, "files", "monty has none")
        if len(request.inputs_wire) > _MAX_INPUT_BYTES:
            raise Decline(None, "the inputs", f"they take more than {_MAX_INPUT_BYTES} bytes")
        try:
            inputs = loads(request.inputs_wire)  # as every guest gets them: a tuple is a list
        except ValueFormatError as error:
            raise Decline(None, "the inputs", str(error)) from None
        check_inputs(inputs)
        names = plain_names(inputs)
        prepared = prepare(request.code, frozenset(names), policy.allowed_imports)
        if isinstance(prepared, Decline):
            raise prepared
        return prepared, {**names, "inputs": inputs}


async def _outcome(run: Run, future: "Future[ExecutionResult]") -> ExecutionResult:
    """The result; where the task is cancelled, only when the program is dead."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    future.add_done_callback(lambda _: loop.call_soon_threadsafe(ended.set))
    try:
        await ended.wait()
    except asyncio.CancelledError:
        if not future.cancel():
            run.stop()
            while not future.done():
                with contextlib.suppress(asyncio.CancelledError):  # cancelled again: still wait
                    await ended.wait()
        raise
    if future.cancelled() or run.stopped:
        raise AdapterError("monty was closed before the program ended.")
    return future.result()


def _started_pool(workers: int) -> Any:
    pool = monty.Monty(
        min_processes=1,
        max_processes=workers,
        checkout_timeout=_CHECKOUT_S,
        max_checkouts_per_worker=500,
        feed_duration_limit_grace=0.2,
    )
    pool.__enter__()
    return pool


def _first_program(pool: Any) -> str:
    with pool.checkout(limits={"max_feed_duration_secs": 5.0}) as session:
        return str(session.feed_run("from decimal import Decimal\nDecimal('1.10') * 3"))


def _close(pool: Any) -> None:
    pool.__exit__(None, None, None)


def _limits(policy: Policy) -> dict[str, Any]:
    return {
        "max_feed_duration_secs": min(policy.max_execution_time, policy.max_cpu_time) / 1000,
        "max_memory": policy.max_memory_mb << 20,
        "max_suspensions": 100,
        "max_recursion_depth": 999,  # as deep as the Python guest goes
    }
