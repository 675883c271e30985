"""One program in its MicroVM, from its POST to the facts about how it ended; and a command of a session."""

import asyncio
import time

from adapters.lambda_microvm.machine import Machine
from adapters.runner.answer import Answer, AnswerError
from adapters.runner.ended import Cause, Ended
from host.errors import AdapterError
from host.policy import FileSystemAccess, Policy

__all__ = ["need_s", "whole"]

_GRACE_S = 2.0
"""The runner holds the deadline; where it does not, for want of a processor or because it is gone, we do."""
_BEGIN_S = 30.0
_SLOWEST_BYTES_PER_S = 256 << 10
"""A door passes about 1 MB in a second for each processor."""
_MOST_OUT_BYTES = 256 << 20


def need_s(policy: Policy) -> float:
    """For how long a MicroVM is needed that runs one program of this policy, at most."""
    return policy.max_execution_time / 1000 + _GRACE_S + _BEGIN_S + _out_s(policy)


async def whole(
    machine: Machine, path: str, body: bytes, policy: Policy, answer: Answer, *, begins: bool = True
) -> Ended:
    """Send a program, or a command, once, and take in what is said of it until it is over.

    Args:
        machine: where.
        path: ``/run`` or ``/command``.
        body: what.
        policy: what it may use.
        answer: takes it in.
        begins: whether the runner says when the program begins; otherwise it has begun when it is taken.

    Raises:
        AdapterError: the wall failed, not the program.
        SessionLost: there was no interpreter.
    """
    loop = asyncio.get_running_loop()
    upload_s = len(body) / _SLOWEST_BYTES_PER_S
    began = ended = 0.0
    cause: Cause | None = None
    try:
        async with asyncio.timeout(_BEGIN_S + upload_s) as patience:
            async with await machine.post(path, body, need_s(policy) + upload_s) as pieces:
                async for piece in pieces:
                    machine.heard()
                    answer.feed(piece)
                    if not began and (answer.begun or not begins):
                        began = time.monotonic()
                        patience.reschedule(loop.time() + policy.max_execution_time / 1000 + _GRACE_S)
                    if not ended and answer.has_ended:
                        ended = time.monotonic()
                        patience.reschedule(loop.time() + _BEGIN_S + _out_s(policy))
                    if answer.over:
                        break
                if not begins and answer.alive:
                    await pieces.rest()
    except TimeoutError:
        cause = _late(machine, began=bool(began), ended=bool(ended))
    except AnswerError as error:
        raise AdapterError(f"MicroVM {machine.id} said what cannot be read: {error}.", lost=True) from None
    if answer.trouble:
        raise AdapterError(f"The program could not be started: {answer.trouble}.", may_have_started=False)
    if not answer.over and cause is None:
        raise AdapterError(
            f"MicroVM {machine.id} ended its answer before the program's end.", retryable=True, lost=True
        )
    facts = answer.ended(cause)
    if cause is not None:
        facts.wall_ms = (time.monotonic() - began) * 1000
    return facts


def _late(machine: Machine, *, began: bool, ended: bool) -> Cause:
    """What it means that nothing more came in time.

    Raises:
        AdapterError: nobody knows.
    """
    if began and not ended:
        return Cause.DEADLINE
    what = "its output files did not come" if ended else "it was not begun"
    raise AdapterError(
        f"MicroVM {machine.id} took the program, and {what} in time. The MicroVM is ended.", retryable=True, lost=True
    )


def _out_s(policy: Policy) -> float:
    """How long what comes out may take on its way."""
    takes_out = policy.file_system_access is FileSystemAccess.SANDBOXED
    most = policy.max_output_bytes + (policy.max_file_bytes if takes_out else 0)
    return min(most, _MOST_OUT_BYTES) / _SLOWEST_BYTES_PER_S
