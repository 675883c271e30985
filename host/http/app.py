"""The application: routes from plugins, behind one gate, with every error a problem."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi

from host.events import get_logger
from host.host import Host, build_host
from host.http.direct import Direct, DirectRoutes
from host.http.docs import router as docs_router
from host.http.guard import Gate, refuse_open_door
from host.http.problems import FaultBoundary, install, responses
from host.http.schemas import component_schemas
from host.settings import Settings, load_settings
from host.specs import RouteSpec, load_target

__all__ = ["create_app"]

_log = get_logger("understudy.http")


def create_app(settings: Settings | None = None, *, host: Host | None = None) -> FastAPI:
    """The service as an ASGI application.

    Args:
        settings: for a host of the application's own, built when it starts and closed when it stops; by default they
            are read.
        host: a host that runs already; whoever made it closes it.

    Raises:
        ConfigurationError: the settings would let anybody run code.
    """
    settings = host.settings if host is not None else settings or load_settings()
    refuse_open_door(settings.server)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if host is not None:
            yield
            return
        async with build_host(settings) as own:
            _attach(app, own, short)
            yield

    app = FastAPI(
        title="Understudy",
        summary="Runs code for voice and AI agents on the best sandbox that is ready right now.",
        version=version("understudy"),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.started = time.monotonic()
    install(app)
    short = DirectRoutes()
    app.add_middleware(Direct, routes=short)
    keys = [key.get_secret_value() for key in settings.server.api_keys]
    app.add_middleware(Gate, keys=keys, max_request_bytes=settings.server.max_request_bytes)
    app.add_middleware(FaultBoundary)  # added last, so outermost
    if host is not None:
        _attach(app, host, short)
    return app


def _attach(app: FastAPI, host: Host, short: DirectRoutes) -> None:
    """Give the application its host: the routes of all plugins, and the document that tells of them."""
    app.state.host = host
    app.include_router(docs_router)
    for spec in host.plugins.routes():
        try:
            router = _router(spec, host)
            app.include_router(router)
            short.add(router.routes)
        except Exception as error:  # noqa: BLE001 - isolated per plugin: reported, and the others go on
            host.plugins.drop("routes", spec.name, f"its routes {spec.name!r} failed: {type(error).__name__}: {error}")
            _log.error("routes_failed", routes=spec.name, exc_info=error)
    app.openapi = lambda: _document(app, host)  # type: ignore[method-assign]


def _router(spec: RouteSpec, host: Host) -> APIRouter:
    found = load_target(spec.target)
    router = found if isinstance(found, APIRouter) else found(host)
    if not isinstance(router, APIRouter):
        raise TypeError(f"{spec.target} gave a {type(router).__name__}, not an APIRouter")
    return router


def _document(app: FastAPI, host: Host) -> dict[str, Any]:
    """The OpenAPI document; made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, summary=app.summary, routes=app.routes, openapi_version="3.1.0"
        )
        components = document.setdefault("components", {})
        components.setdefault("schemas", {}).update(component_schemas(host))
        if host.settings.server.api_keys:
            components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        _tell_of_the_gate(document, with_keys=bool(host.settings.server.api_keys))
        app.openapi_schema = document
    return app.openapi_schema


def _tell_of_the_gate(document: dict[str, Any], *, with_keys: bool) -> None:
    """What every route may answer because of what stands before it."""
    from host.http.guard import OPEN_PATHS

    refusal = responses(401 if with_keys else 403)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            answers = operation["responses"]
            if path not in OPEN_PATHS:
                answers |= {str(status): answer for status, answer in refusal.items()}
                if with_keys:
                    operation["security"] = [{"key": []}]
            answers |= {str(status): answer for status, answer in responses(413).items()}
