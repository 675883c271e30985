"""What is declined before anything is sent: what the service takes no more of, and what this host may not start now."""

from adapters.bedrock.sessions import Sessions
from adapters.bedrock.warm import Warm
from adapters.runner.slots import Slots
from host.interface import Refusal
from host.models import ExecutionRequest

__all__ = ["too_many", "too_much"]

_MOST_SENT = 50_000_000
"""Bytes of code, inputs and files: in base64 twice over they make 90 of the 100 MB that the service takes."""


def too_much(request: ExecutionRequest) -> Refusal | None:
    """Why a request is more than AWS takes, with its size, or None."""
    size = len(request.code_bytes) + len(request.inputs_wire) + sum(len(file.content) for file in request.files)
    if size <= _MOST_SENT:
        return None
    return Refusal(
        rule="payload",
        reason=f"code, inputs and files are {size} bytes, and AWS takes {_MOST_SENT}",
        remedy="Send less code, fewer inputs or smaller files.",
    )


def too_many(slots: Slots, sessions: Sessions, warm: Warm) -> Refusal | None:
    """Why there is no turn or no session for one more program, or None."""
    if slots.full:
        return Refusal(
            rule="busy",
            reason=f"{slots.waiting} programs wait for their turn, and no more are let in",
            remedy="Send the request again in a moment, or raise adapters.bedrock.max_waiting.",
        )
    if sessions.full and not warm.ready:
        return Refusal(
            rule="busy",
            reason=f"this host has its {sessions.count} sessions at AWS already",
            remedy="Send the request again in a moment, or raise adapters.bedrock.max_sessions.",
        )
    return None
