"""Lists in pages, with a token that says after which item the next page begins."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any

from tests.emulators.service import ServiceError

__all__ = ["paged"]

_PAGE = 10


def _after(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def paged(
    items: Sequence[Any], given: dict[str, Any], key: Callable[[Any], str]
) -> tuple[Sequence[Any], dict[str, str]]:
    """One page of a list, for an input with `maxResults` and `nextToken`, and `{"nextToken": ...}` if there is more.

    Raises:
        ServiceError: ValidationException, if the token is none of ours.
    """
    begin = 0
    if "nextToken" in given:
        last = _after(given["nextToken"])
        begin = next((n for n, each in enumerate(items, 1) if key(each) == last), 0)
        if not begin:
            raise ServiceError("ValidationException", "The nextToken is invalid.", reason="FieldValidationFailed")
    page = items[begin : begin + given.get("maxResults", _PAGE)]
    if begin + len(page) >= len(items):
        return page, {}
    return page, {"nextToken": base64.urlsafe_b64encode(key(page[-1]).encode()).decode()}
