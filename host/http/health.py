"""Is it alive, is it ready, how is it. Open to anyone, because probes have no key; they say nothing about
executions.
"""

import time
from importlib.metadata import version

from fastapi import APIRouter, Request, Response

from host.host import Host
from host.http.problems import NotReady, problem, responses
from host.http.views import CheckView, HealthView, LiveView, ReadyView, TheHost

__all__ = ["router"]

router = APIRouter(tags=["health"])


@router.get("/livez", operation_id="livez", summary="Is the process alive", responses=responses())
async def livez() -> LiveView:
    """Answers as long as the process does. Looks at nothing outside it."""
    return LiveView(status="ok")


@router.get(
    "/readyz",
    operation_id="readyz",
    summary="Are requests answered",
    response_model=ReadyView,
    responses=responses(503),
)
async def readyz(host: TheHost) -> Response:
    """Ready means that a request is answered, if only by the stand-in; the body says whether code is run.

    Not ready, with 503: the service is shutting down, nothing at all serves, or the store does not answer.
    """
    await host.store.list(limit=1)  # a store that is gone answers with its own problem
    view = ReadyView(
        ready=not host.closing and bool(host.switchboard.current),
        runs_code=_runs_code(host),
        serving=host.switchboard.current,
        checks=tuple(
            CheckView(adapter=name, ok=check.ok, reason=check.reason, remedy=check.remedy)
            for name, check in host.checks.items()
        ),
    )
    if view.ready:
        return Response(view.model_dump_json(), media_type="application/json")
    detail = "The service is shutting down." if host.closing else "No adapter serves."
    remedy = " ".join(f"{check.adapter}: {check.remedy}" for check in view.checks if check.remedy)
    members = view.model_dump(mode="json")
    return problem(NotReady.status, NotReady.type, NotReady.title, detail, remedy=remedy, **members)


@router.get("/health", operation_id="health", summary="How is the service", responses=responses())
async def health(request: Request, host: TheHost) -> HealthView:
    """The service in one look, always with 200."""
    runs_code, broken = _runs_code(host), len(host.plugins.broken)
    return HealthView(
        status="closing" if host.closing else "ok" if runs_code and not broken else "degraded",
        version=version("understudy"),
        uptime_s=round(time.monotonic() - request.app.state.started, 3),
        running=len(host.running),
        runs_code=runs_code,
        serving=host.switchboard.current,
        broken_plugins=broken,
    )


def _runs_code(host: Host) -> bool:
    return any(host.registry.get(name).capabilities().runs_code for name in host.switchboard.current)
