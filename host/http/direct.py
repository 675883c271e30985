"""The short way to the routes that are asked for most.

FastAPI looks at every route in turn, solves dependencies and opens exit stacks for each request: several times the work
of running a program in a warm sandbox. An endpoint that takes the request and the host, and nothing else of FastAPI's,
is marked ``direct`` and called at once. FastAPI still has the route, for the document and for whatever is not quite
like it.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias, TypeVar

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from host.host import Host
from host.http.problems import EXPECTED, answer

__all__ = ["Direct", "DirectRoutes", "direct"]

Endpoint: TypeAlias = Callable[[Request, Host], Awaitable[Response]]
_Endpoint = TypeVar("_Endpoint", bound=Endpoint)


def direct(endpoint: _Endpoint) -> _Endpoint:
    """Mark an endpoint that may be called without FastAPI."""
    endpoint.direct = True  # type: ignore[attr-defined]
    return endpoint


class DirectRoutes:
    """The marked endpoints by method and path."""

    def __init__(self) -> None:
        self._endpoints: dict[tuple[str, str], Endpoint] = {}

    def add(self, routes: Iterable[BaseRoute]) -> None:
        """Take those of a router that are marked; the first that has a path keeps it, as with FastAPI."""
        for route in routes:
            if isinstance(route, APIRoute) and getattr(route.endpoint, "direct", False):
                for method in route.methods or ():
                    self._endpoints.setdefault((method, route.path), route.endpoint)

    def find(self, scope: Scope) -> Endpoint | None:
        """The endpoint for a request, or None."""
        return None if scope.get("root_path") else self._endpoints.get((scope["method"], scope["path"]))


class Direct:
    """Middleware that answers such requests, and passes on all others."""

    def __init__(self, app: ASGIApp, *, routes: DirectRoutes) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._routes.find(scope) if scope["type"] == "http" else None
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive, send)
        try:
            response = await endpoint(request, scope["app"].state.host)
        except EXPECTED as error:
            response = await answer(request, error)
        await response(scope, receive, send)
