"""Every error as a problem document (RFC 9457, ``application/problem+json``).

``type`` is stable, ``urn:understudy:problem:`` and a token; clients match on it. ``detail`` and ``remedy`` are
sentences for people. Nothing of the inside is shown: a fault of ours is logged under an id, and the caller gets the id.
"""

import http
import logging
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from host.errors import RequestError, UnderstudyError

__all__ = [
    "EXPECTED",
    "AlreadyEnded",
    "BodyTooLarge",
    "FaultBoundary",
    "FieldError",
    "MalformedJSON",
    "NotReady",
    "Problem",
    "UnknownDisplay",
    "UnsupportedMediaType",
    "answer",
    "install",
    "problem",
    "responses",
]

MEDIA_TYPE = "application/problem+json"
_PREFIX = "urn:understudy:problem:"
_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_log = logging.getLogger("understudy.http")


class FieldError(BaseModel):
    """One thing that is wrong with a request."""

    model_config = ConfigDict(extra="forbid")

    pointer: str = Field(description="where: a JSON pointer into the body, or the name of a parameter")
    detail: str


class Problem(BaseModel):
    """An error, as RFC 9457 has it. Some problems carry further members."""

    type: str = Field(description="what kind of problem; stable")
    title: str = Field(description="the kind in words")
    status: int = Field(description="the HTTP status")
    detail: str = Field(description="what happened this time")
    remedy: str = Field(default="", description="what the caller can do")
    instance: str | None = Field(default=None, description="this occurrence, as it stands in the service's log")
    errors: list[FieldError] = Field(default_factory=list, description="what is wrong, field by field")


class MalformedJSON(RequestError):
    """The body is not JSON as RFC 8259 has it."""

    type = "malformed-json"
    status = 400
    title = "The body is not JSON"


class UnsupportedMediaType(RequestError):
    """The body is something else than JSON."""

    type = "unsupported-media-type"
    status = 415
    title = "The body has to be application/json"


class BodyTooLarge(RequestError):
    """The body is longer than the service takes."""

    type = "body-too-large"
    status = 413
    title = "The body is too long"


class UnknownDisplay(RequestError):
    """The execution showed no such thing, or it was not kept."""

    type = "unknown-display"
    status = 404
    title = "The execution has no such display"


class AlreadyEnded(RequestError):
    """The execution has ended, so it cannot be cancelled."""

    type = "already-ended"
    status = 409
    title = "The execution has ended"


class NotReady(UnderstudyError):
    """The service cannot answer requests now."""

    type = "not-ready"
    status = 503
    title = "The service is not ready"


_TITLES = {
    400: ("bad-request", "The request is malformed"),
    401: ("unauthorized", "A key is needed"),
    403: ("forbidden", "The request is not let in"),
    404: ("not-found", "There is nothing at that address"),
    405: ("method-not-allowed", "That address does not take that method"),
}


def problem(
    status: int,
    token: str,
    title: str,
    detail: str,
    *,
    remedy: str = "",
    errors: Sequence[FieldError] = (),
    instance: str | None = None,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> Response:
    """The response for one problem."""
    document = Problem.model_construct(
        type=_PREFIX + token,
        title=title,
        status=status,
        detail=detail,
        remedy=remedy,
        instance=instance,
        errors=list(errors),
    )
    return Response(_Document(**dict(document), **members).model_dump_json(), status, dict(headers or {}), MEDIA_TYPE)


class _Document(Problem):
    model_config = ConfigDict(extra="allow")


EXPECTED = (UnderstudyError, RequestValidationError, HTTPException)
"""What an endpoint may raise to be answered with a problem; all else is a fault."""


def install(app: FastAPI) -> None:
    """Make every error of ``app`` a problem."""
    for kind in EXPECTED:
        app.add_exception_handler(kind, answer)


async def answer(request: Request, error: Exception) -> Response:
    """The problem for one of the expected errors."""
    if isinstance(error, UnderstudyError):
        return _ours(error)
    if isinstance(error, RequestValidationError):
        return _invalid(error)
    assert isinstance(error, HTTPException)  # noqa: S101 - there are no others
    return _plain(request, error)


def _ours(error: UnderstudyError) -> Response:
    if error.status == 500:  # configuration, plugins: the text is for the operator, not for the caller
        return _fault(error)
    if error.status >= 500:
        _log.warning("%s: %s", error.type, error)
    return problem(error.status, error.type, error.title, error.message, remedy=error.remedy)


def _invalid(error: RequestValidationError) -> Response:
    """What pydantic says of a body or of parameters."""
    found = [FieldError.model_construct(pointer=_pointer(each["loc"]), detail=each["msg"]) for each in error.errors()]
    first = found[0]
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    detail = f"{first.pointer or 'the body'}: {first.detail}{more}."
    return problem(422, RequestError.type, RequestError.title, detail, errors=found[:50])


def _pointer(location: Sequence[int | str]) -> str:
    if location and location[0] in ("query", "path", "header"):
        return str(location[-1])
    parts = location[1:] if location and location[0] == "body" else location
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def _plain(request: Request, error: HTTPException) -> Response:
    """What Starlette raises by itself, or a plugin's route does."""
    phrase = http.HTTPStatus(error.status_code).phrase if error.status_code in set(http.HTTPStatus) else "Error"
    token, title = _TITLES.get(error.status_code, (phrase.lower().replace(" ", "-"), phrase))
    headers = dict(error.headers or {})
    detail, remedy = str(error.detail), ""
    if error.status_code == 404 and detail == phrase:
        detail, remedy = f"{request.url.path} is not an address of this service.", "/docs lists them all."
    elif error.status_code == 405:
        allowed = _allowed(request)
        headers = {"Allow": ", ".join(allowed)}
        detail, remedy = f"{request.url.path} does not take {request.method}.", f"It takes {', '.join(allowed)}."
    return problem(error.status_code, token, title, detail, remedy=remedy, headers=headers)


def _allowed(request: Request) -> list[str]:
    """The methods that all routes at the address take; Starlette itself names only those of the first."""
    routes = request.app.routes
    return [
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]


class FaultBoundary:
    """The outermost layer: whatever was not foreseen is logged under an id and answered with that id alone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if started:
                raise
            await _fault(error)(scope, receive, send)


def _fault(error: Exception) -> Response:
    instance = f"urn:uuid:{uuid.uuid4()}"
    _log.error("fault %s", instance, exc_info=error)
    return problem(
        500,
        UnderstudyError.type,
        UnderstudyError.title,
        "This is a fault of the service, not of the request.",
        remedy=f"Ask the operator to look for {instance} in the log.",
        instance=instance,
    )


_MEANINGS = {
    400: "The body is not JSON.",
    401: "A key is needed, or the one that was sent is wrong.",
    403: "The request comes from a foreign page or names a foreign host.",
    404: "No execution, session or display has that id or number.",
    409: "The id is taken, the execution has ended already, or another host has it.",
    410: "The session has ended, or its process is gone.",
    413: "The body is too long.",
    415: "The body is not application/json.",
    422: "The request cannot be taken as it is.",
    429: "Too many commands wait for the session, or the host keeps as many sessions as it may.",
    500: "A fault of the service.",
    502: "The wall failed.",
    503: "Nothing may serve the request, the store does not answer, or the service is shutting down.",
}


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of the errors of a route; those that any route may give are added by itself."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _MEANINGS[status], "content": content} for status in sorted({*statuses, 500})}
