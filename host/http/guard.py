"""The gate: who is let in, and how much they may send. Plain ASGI, so that it stands before every route, a plugin's
too.

With keys, a caller sends one. Without keys only this machine can reach the service, and then a browser is the danger: a
page from anywhere may make it call ``localhost`` (DNS rebinding, cross-site requests), so Host and Origin have to be
this machine's own.
"""

import functools
import hmac
import ipaddress
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from fastapi import Response
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from host.errors import ConfigurationError
from host.http.problems import BodyTooLarge, problem
from host.settings import ServerSettings

__all__ = ["OPEN_PATHS", "Gate", "is_loopback", "refuse_open_door"]

OPEN_PATHS = frozenset({"/livez", "/readyz", "/health"})
"""Answered to anyone: load balancers and probes have no key."""

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::(\d{1,5}))?")


@functools.lru_cache(maxsize=256)
def is_loopback(name: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    name = name.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def refuse_open_door(server: ServerSettings) -> None:
    """Without keys, only this machine may reach the service.

    Raises:
        ConfigurationError: it would be reachable from elsewhere.
    """
    if not server.api_keys and not is_loopback(server.host):
        raise ConfigurationError(
            f"server.host is {server.host}, open to others, and server.api_keys is empty: any of them could run code.",
            remedy="Set server.api_keys, or server.host = 127.0.0.1.",
        )


class Gate:
    """Lets requests in, or answers them with a problem."""

    def __init__(self, app: ASGIApp, *, keys: Sequence[str], max_request_bytes: int) -> None:
        self._app = app
        self._keys = tuple(key.encode("utf-8") for key in keys)
        self._limit = max_request_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = None
        if scope["path"] not in OPEN_PATHS:
            refusal = self._without_key(headers) if self._keys else _foreign(headers)
        refusal = refusal or self._too_long(headers)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        await self._app(scope, _limited(receive, self._limit), send)

    def _without_key(self, headers: Headers) -> Response | None:
        scheme, _, sent = headers.get("authorization", "").partition(" ")
        given = sent.strip().encode("latin-1")  # the bytes as they came
        matches = [hmac.compare_digest(given, key) for key in self._keys]  # all of them, so that time tells nothing
        if scheme.lower() == "bearer" and any(matches):
            return None
        detail = "The key is not one of this service's." if sent else "The request carries no key."
        return problem(
            401,
            "unauthorized",
            "A key is needed",
            detail,
            remedy="Send `Authorization: Bearer KEY` with a key of server.api_keys.",
            headers={"WWW-Authenticate": 'Bearer realm="understudy"'},
        )

    def _too_long(self, headers: Headers) -> Response | None:
        length = headers.get("content-length", "")
        if length.isdecimal() and len(length) < 20 and int(length) > self._limit:
            error = _too_long(self._limit)
            return problem(error.status, error.type, error.title, error.message, remedy=error.remedy)
        return None


def _foreign(headers: Headers) -> Response | None:
    """A refusal where the request was meant for another host, or comes from a page of another."""
    host = _HOST.fullmatch(headers.get("host", ""))
    if host is None or not is_loopback(host[1]):
        return _forbidden(
            f"Host {headers.get('host', '')!r} is not this machine.", "Call it as localhost or 127.0.0.1."
        )
    origin = headers.get("origin")
    if origin is not None and not _same(origin, host[2]):
        return _forbidden(
            f"The request comes from a page of {origin!r}.", "Pages of other origins need server.api_keys."
        )
    return None


def _same(origin: str, port: str | None) -> bool:
    """Whether an Origin is this service: this machine, and the port that the request was sent to."""
    try:
        parts = urlsplit(origin)
        own = int(port) if port else 80
        return parts.scheme == "http" and is_loopback(parts.hostname or "") and (parts.port or 80) == own
    except ValueError:
        return False


def _forbidden(detail: str, remedy: str) -> Response:
    return problem(403, "forbidden", "The request is not let in", detail, remedy=remedy)


def _limited(receive: Receive, limit: int) -> Receive:
    """``receive`` that counts: a body without a length, or with a false one, ends at the limit too."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > limit:
                raise _too_long(limit)
        return message

    return counted


def _too_long(limit: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"The body is longer than {limit} bytes.", remedy="Send less, or raise server.max_request_bytes."
    )
