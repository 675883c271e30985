"""``/v1/sessions``: open, list, look up, renew, end. A command is an execution that names its session."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from host.http import body
from host.http.problems import responses
from host.http.views import RenewalRequest, SessionRequest, SessionsView, TheHost
from host.sessions import SessionInfo

__all__ = ["router"]

router = APIRouter(tags=["sessions"])
_JSON = "application/json"
_ID = Annotated[str, Path(description="the id of a session", max_length=128)]


def _takes(model: str, *, required: bool) -> dict[str, object]:
    """What OpenAPI says of a body."""
    schema = {"$ref": f"#/components/schemas/{model}"}
    return {"requestBody": {"required": required, "content": {_JSON: {"schema": schema}}}}


@router.post(
    "/v1/sessions",
    operation_id="open_session",
    summary="Open a session",
    status_code=201,
    response_model=SessionInfo,
    responses=responses(400, 409, 413, 415, 422, 429, 502, 503),
    openapi_extra=_takes("SessionRequest", required=True),
)
async def open_session(request: Request, host: TheHost) -> Response:
    """Start an interpreter that keeps its variables and its work folder between commands.

    Run commands in it with `POST /v1/executions`, naming its `id` as `session`. It ends when it is deleted, when it
    stood idle for `idle_ms`, when it lived for `lifetime_ms`, or when its commands have used what `allowed` gives.
    """
    asked = await body.read(request, SessionRequest)
    info = await host.open_session(
        language=asked.language,
        policy=asked.policy,
        limits=asked.limits,
        idle_ms=asked.idle_ms,
        lifetime_ms=asked.lifetime_ms,
        id=asked.id,
        actor=asked.actor,
        adapter=asked.adapter,
    )
    return Response(info.model_dump_json(), 201, {"Location": f"/v1/sessions/{info.id}"}, _JSON)


@router.get(
    "/v1/sessions",
    operation_id="sessions",
    summary="List the sessions",
    response_model=SessionsView,
    responses=responses(),
)
async def sessions(host: TheHost) -> Response:
    """The sessions that live in this host, oldest first. Those that have ended are not listed."""
    view = SessionsView.model_construct(sessions=host.sessions())
    return Response(view.model_dump_json(), media_type=_JSON)


@router.get(
    "/v1/sessions/{session_id}",
    operation_id="show_session",
    summary="Look up a session",
    response_model=SessionInfo,
    responses=responses(404, 409, 410, 422, 503),
)
async def show_session(host: TheHost, session_id: _ID) -> Response:
    """What it is fixed to, what it does now, how long it lives and what it used. One that has ended is gone: 410."""
    return Response((await host.session(session_id)).model_dump_json(), media_type=_JSON)


@router.post(
    "/v1/sessions/{session_id}/renew",
    operation_id="renew_session",
    summary="Renew a session",
    response_model=SessionInfo,
    responses=responses(400, 404, 409, 410, 413, 415, 422, 503),
    openapi_extra=_takes("RenewalRequest", required=False),
)
async def renew_session(request: Request, host: TheHost, session_id: _ID) -> Response:
    """Begin a new idle period, as a command does; the body may set other times. `lifetime_ms` counts from the opening.

    Without a body the times stay as they are.
    """
    asked = await body.read(request, RenewalRequest) if await request.body() else RenewalRequest()
    info = await host.renew_session(session_id, idle_ms=asked.idle_ms, lifetime_ms=asked.lifetime_ms)
    return Response(info.model_dump_json(), media_type=_JSON)


@router.delete(
    "/v1/sessions/{session_id}",
    operation_id="end_session",
    summary="End a session",
    response_model=SessionInfo,
    responses=responses(404, 409, 422, 503),
)
async def end_session(host: TheHost, session_id: _ID) -> Response:
    """End it: what runs in it is cancelled and recorded, what waits is told, and its process is dead when this answers.

    One that has ended already stays as it is, and is answered with how it ended.
    """
    return Response((await host.end_session(session_id)).model_dump_json(), media_type=_JSON)
