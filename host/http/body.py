"""Reading a body: strict JSON into a model, once.

What two readers could understand in two ways is refused: keys that come twice, NaN and Infinity, numbers that no float
holds, another encoding than UTF-8.
"""

import asyncio
import json
import math
from collections import Counter
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from host.errors import InvalidRequest
from host.http.problems import MalformedJSON, UnsupportedMediaType
from host.values import MAX_DEPTH

__all__ = ["read"]

_LARGE_BYTES = 1_048_576
_Model = TypeVar("_Model", bound=BaseModel)


async def read(request: Request, model: type[_Model], prepare: Callable[[_Model], object] = lambda _: None) -> _Model:
    """The body as a model. A large one is parsed in a thread, so that the others are not kept waiting.

    Args:
        request: the HTTP request.
        model: what the body has to be.
        prepare: called in that thread with a large one, to compute what is wanted of it later.

    Raises:
        RequestError: it is too long, not JSON, or not what the model wants.
        RequestValidationError: the same, said field by field.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        said = f"The body is {kind}." if kind else "The request does not say what its body is."
        raise UnsupportedMediaType(said, remedy="Send JSON with `Content-Type: application/json`.")
    raw = await request.body()
    if len(raw) > _LARGE_BYTES:
        return await asyncio.to_thread(_parse, raw, model, prepare)
    return _parse(raw, model)


def _parse(raw: bytes, model: type[_Model], prepare: Callable[[_Model], object] = lambda _: None) -> _Model:
    _check_strictly(raw)
    try:
        found = model.model_validate_json(raw, strict=True)
    except ValidationError as error:
        raise RequestValidationError(
            error.errors(include_url=False, include_input=False, include_context=False)
        ) from None
    prepare(found)
    return found


def _check_strictly(raw: bytes) -> None:
    try:
        text = raw.decode("utf-8")
        json.loads(
            text, object_pairs_hook=_each_once, parse_constant=_no_constant, parse_float=_finite, parse_int=_integer
        )
    except UnicodeDecodeError as error:
        raise MalformedJSON(f"The body is not UTF-8 at byte {error.start}.", remedy="Send UTF-8.") from None
    except json.JSONDecodeError as error:
        detail = f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        raise MalformedJSON(detail, remedy="Send JSON as RFC 8259 has it.") from None
    except RecursionError:
        raise InvalidRequest(f"The body is nested deeper than {MAX_DEPTH} levels.") from None


def _each_once(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) < len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise MalformedJSON(f"The key {twice!r} stands twice in one object.", remedy="Send each key once.")


def _no_constant(name: str) -> NoReturn:
    remedy = 'A value of your own is written {"$type": "float", "value": "nan"}, "inf" or "-inf".'
    raise MalformedJSON(f"{name} is not JSON.", remedy=remedy)


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise MalformedJSON(
            "A number is too large for a float.", remedy='Write {"$type": "decimal", "value": "1e999"}.'
        )
    return number


def _integer(digits: str) -> None:
    if len(digits) > 4000:
        remedy = 'Write {"$type": "int", "value": "0x..."} in hexadecimal.'
        raise InvalidRequest("An integer has more than 4,000 digits.", remedy=remedy)
