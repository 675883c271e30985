"""What is said of a result. No sentence holds code, a path, the text of an exception or the name of a part of ours."""

from collections.abc import Mapping, Sequence
from typing import Any

from host.displays import CHART, TABLE, Display
from host.models import ExecutionResult, Status
from host.values import Image, Opaque
from voice_handler.numbers import whole
from voice_handler.speech import in_words, say

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


_KINDS = {CHART: ("a chart", "charts"), TABLE: ("a table", "tables"), "image/": ("a picture", "pictures")}
_ANY_KIND = ("something", "things")


def sentence(result: ExecutionResult) -> str:
    """The value in a plain sentence, or an apology that fits the status.

    Of a program that only shows something the sentence says what there is to see.
    """
    if result.status is not Status.SUCCEEDED:
        return _APOLOGIES[result.status]
    return _shown(result.displays) if result.displays and _is_mute(result.value) else say(result.value)


def _is_mute(value: Any) -> bool:
    """Whether there is nothing in a value that can be said."""
    if isinstance(value, list) and value:
        return all(map(_is_mute, value))
    return value is None or isinstance(value, Opaque | Image | bytes)


def _shown(displays: Sequence[Display]) -> str:
    kinds = {_kind(display) for display in displays}
    one, many = kinds.pop() if len(kinds) == 1 else _ANY_KIND
    if len(displays) > 1:
        return f"I have made {whole(len(displays))} {many} for you to look at."
    title = displays[0].title
    return f"I have made {one} for you to look at" + (f": {in_words(title)}." if title else ".")


def _kind(display: Display) -> tuple[str, str]:
    return next(
        (kind for begin, kind in _KINDS.items() if any(mime.startswith(begin) for mime in display.data)), _ANY_KIND
    )


def deferral(description: str, expected_outcome: str) -> str:
    """What is said while nothing can run code."""
    if not description or not expected_outcome:
        return CANNOT_YET
    return (
        f"I understand you want to {description}. While I can't execute code yet, "
        f"I can explain that this would {expected_outcome}."
    )
