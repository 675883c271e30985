"""What is said of a result. No sentence holds code, a path, the text of an exception or the name of a part of ours."""

from collections.abc import Mapping

from host.models import ExecutionResult, Status
from voice_handler.speech import say

__all__ = ["CANNOT_YET", "deferral", "sentence"]

CANNOT_YET = "I can describe how to perform that calculation, but I can't execute it directly yet."
_WENT_WRONG = "I'm sorry, something went wrong on my side, and the calculation has no result."

_APOLOGIES: Mapping[Status, str] = {
    Status.FAILED: "I'm sorry, that calculation did not work out.",
    Status.TIMED_OUT: "I'm sorry, that calculation took too long, so I stopped it.",
    Status.OUT_OF_MEMORY: "I'm sorry, that calculation was too large for me to finish.",
    Status.OUTPUT_LIMIT: "I'm sorry, that calculation came to more than I can tell.",
    Status.KILLED: _WENT_WRONG,
    Status.CANCELLED: "The calculation was stopped before it was done.",
    Status.DENIED: "I'm sorry, I'm not allowed to do that calculation.",
    Status.NOT_IMPLEMENTED: CANNOT_YET,
    Status.ADAPTER_FAILED: _WENT_WRONG,
    Status.INTERRUPTED: _WENT_WRONG,
}


def sentence(result: ExecutionResult) -> str:
    """The value in a plain sentence, or an apology that fits the status."""
    if result.status is Status.SUCCEEDED:
        return say(result.value)
    return _APOLOGIES[result.status]


def deferral(description: str, expected_outcome: str) -> str:
    """What is said while nothing can run code."""
    if not description or not expected_outcome:
        return CANNOT_YET
    return (
        f"I understand you want to {description}. While I can't execute code yet, "
        f"I can explain that this would {expected_outcome}."
    )
