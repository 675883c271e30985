"""The adapter of monty: a Python subset in an interpreter that can reach nothing, in worker processes of its own pool.

The interpreter is the wall: it has no call that opens a file, a socket or a process, and no way to load code that has.
It meters time and memory from outside the program, in the worker; the pool kills a worker that oversteps its time.
"""

import asyncio
import os
from collections.abc import Sequence
from typing import Any

import pydantic_monty as monty

from adapters.monty.crossing import check_inputs
from adapters.monty.decline import Decline
from adapters.monty.run import FILE, Run
from adapters.monty.source import Prepared, plain_names, prepare
from host.errors import AdapterError
from host.interface import AdapterContext, Capabilities, CheckResult, Emit, Finding, Refusal
from host.models import ExecutionRequest, ExecutionResult
from host.policy import ENFORCED_FIELDS, Enforcement, Policy
from host.values import ValueFormatError, loads

__all__ = ["MontyAdapter"]

_CAPABILITIES = Capabilities(
    version=monty.__version__,
    languages=("python",),
    enforcement=dict.fromkeys(ENFORCED_FIELDS, Enforcement.WALL),
    streaming=True,
)
_MAX_INPUT_BYTES = 16 << 20
_CHECKOUT_S = 30.0
_REMEDY = "Install it anew: pip install --force-reinstall pydantic-monty"


class MontyAdapter:
    """Runs what it is sure about and declines the rest. Settings: ``workers`` (at most, by default 16)."""

    name = "monty"

    def __init__(self) -> None:
        self._pool: Any = None
        self._runs: set[Run] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False

    def capabilities(self) -> Capabilities:
        return _CAPABILITIES

    async def start(self, context: AdapterContext) -> None:
        """Start the pool with one warm worker.

        Raises:
            AdapterError: the worker's program is missing or does not start.
        """
        workers = max(1, int(context.settings.get("workers", max(16, os.cpu_count() or 1))))
        self._pool = monty.AsyncMonty(
            min_processes=1,
            max_processes=workers,
            checkout_timeout=_CHECKOUT_S,
            max_checkouts_per_worker=500,
            feed_duration_limit_grace=0.2,
        )
        try:
            await self._pool.__aenter__()
        except (OSError, RuntimeError, monty.MontyError) as error:
            self._pool = None
            raise AdapterError(f"the monty worker does not start: {error}", remedy=_REMEDY) from error

    async def check(self) -> CheckResult:
        """Run a program."""
        if self._pool is None:
            return CheckResult(ok=False, reason="It was not started.", remedy="Start the host anew.")
        try:
            async with self._pool.checkout(limits={"max_feed_duration_secs": 5.0}) as session:
                answer = await session.feed_run("from decimal import Decimal\nDecimal('1.10') * 3")
        except (OSError, RuntimeError, TimeoutError, monty.MontyError) as error:
            finding = Finding(name="worker", ok=False, reason=f"The worker does not answer: {error}", remedy=_REMEDY)
            return CheckResult(ok=False, reason=finding.reason, remedy=_REMEDY, findings=(finding,))
        right = str(answer) == "3.30"
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
        if self._pool is None or self._closing:
            raise AdapterError("monty is closed.", may_have_started=False)
        try:
            return await self._run(request, policy, emit, prepared, inputs)
        except (TimeoutError, RuntimeError) as error:  # no worker was free, or none could be started
            raise AdapterError(
                f"no monty worker could be had: {error}", retryable=True, may_have_started=False
            ) from error
        except monty.MontyError as error:  # the session was lost as it began or ended
            raise AdapterError(f"the monty worker was lost: {error}") from error

    async def _run(
        self, request: ExecutionRequest, policy: Policy, emit: Emit, prepared: Prepared, inputs: dict[str, Any]
    ) -> ExecutionResult:
        async with self._pool.checkout(
            script_name=FILE,
            limits=_limits(policy),
            assert_message_annotations=False,
            os_policy={"sleep": "zero"},
        ) as session:
            run = Run(request, policy, emit, session)
            self._runs.add(run)
            self._idle.clear()
            try:
                result = await run.to_end(prepared, inputs)
            finally:
                self._runs.discard(run)
                if not self._runs:
                    self._idle.set()
        if self._closing:
            raise AdapterError("monty was closed while the program ran.")
        return result

    async def reap(self, dead_owners: Sequence[str]) -> int:
        """Nothing: a worker ends when the host that holds its pipes does."""
        return 0

    async def aclose(self) -> None:
        """Kill what runs and end the workers."""
        self._closing = True
        for run in list(self._runs):
            run.kill()
        await self._idle.wait()
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.__aexit__(None, None, None)

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


def _limits(policy: Policy) -> dict[str, Any]:
    return {
        "max_feed_duration_secs": min(policy.max_execution_time, policy.max_cpu_time) / 1000,
        "max_memory": policy.max_memory_mb << 20,
        "max_suspensions": 100,
        "max_recursion_depth": 999,  # as deep as the Python guest goes
    }
