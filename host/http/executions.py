"""``/v1/executions``: run, look up, list, cancel."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from host.errors import OwnedElsewhere, StoreError
from host.host import Host
from host.http import body, events
from host.http.direct import direct
from host.http.problems import AlreadyEnded, responses
from host.http.views import ExecutionPage, ExecutionView, TheHost
from host.models import ExecutionRequest, ExecutionResult, Status

__all__ = ["router"]

router = APIRouter(tags=["executions"])
_JSON = "application/json"
_PATIENCE_S = 0.01
_ID = Annotated[str, Path(description="the id of an execution", max_length=128)]


@router.post(
    "/v1/executions",
    operation_id="run",
    summary="Run a program",
    response_model=ExecutionResult,
    responses={
        **responses(400, 404, 409, 410, 413, 415, 422, 429, 503),
        200: {
            "description": "The result; with `Accept: text/event-stream`, what happens as it happens, then the result.",
            "content": {events.MEDIA_TYPE: events.DOCUMENTED},
        },
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {_JSON: {"schema": {"$ref": "#/components/schemas/ExecutionRequest"}}},
        }
    },
)
@direct
async def run(request: Request, host: TheHost) -> Response:
    """Run a program behind the best wall that is ready, and answer when it has ended.

    An execution that is recorded is answered with 200, whatever its `status`: `denied`, `timed_out` and all the others
    too. The program is stopped and recorded as `cancelled` when the caller goes away before it has ended.

    With `Accept: text/event-stream` the answer is a stream of events. A client whose connection breaks follows on with
    `GET /v1/executions/{id}/events`; the program is stopped only when nobody has come back within `streams.grace_ms`.
    """
    execution = await body.read(request, ExecutionRequest, _hashed)
    if events.wanted(",".join(request.headers.getlist("accept"))):
        settings = host.settings.streams
        told = host.stream(execution, linger_ms=settings.grace_ms)
        return events.EventStream(await anext(told), told, settings)
    result = await _run_while_wanted(request, host, execution)
    if result is None:
        return Response(status_code=499)  # never seen: nobody is there to read it
    return Response(result.model_dump_json(), media_type=_JSON)


def _hashed(execution: ExecutionRequest) -> None:
    """Compute what the record needs of a large request; the request remembers it."""
    _ = execution.inputs_sha256, execution.inputs_wire


async def _run_while_wanted(request: Request, host: Host, execution: ExecutionRequest) -> ExecutionResult | None:
    """Execute until it ends or the caller goes away; None where the caller did. Its record is written either way."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in one
    watch = _Watch(request, task)
    try:
        return await host.execute(execution)
    except asyncio.CancelledError:
        if watch.gone and task.uncancel() == 0:
            return None
        raise
    finally:
        watch.end()


class _Watch:
    """Cancels a task when the caller goes away. Most runs end before it is worth looking.

    Attributes:
        gone: whether the caller did.
    """

    def __init__(self, request: Request, task: "asyncio.Task[Any]") -> None:
        self.gone = False
        self._request = request
        self._task = task
        self._looking: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(_PATIENCE_S, self._begin)

    def end(self) -> None:
        """Look no longer."""
        self._timer.cancel()
        if self._looking is not None:
            self._looking.cancel()

    def _begin(self) -> None:
        self._looking = asyncio.ensure_future(self._look())

    async def _look(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        self._task.cancel()


@router.get(
    "/v1/executions",
    operation_id="history",
    summary="List executions",
    response_model=ExecutionPage,
    responses=responses(404, 422, 503),
)
async def history(
    host: TheHost,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    before: Annotated[str | None, Query(description="the id of an execution: only older ones are listed")] = None,
    status: Annotated[Status | None, Query()] = None,
    language: Annotated[str | None, Query()] = None,
    adapter: Annotated[str | None, Query()] = None,
    actor: Annotated[str | None, Query(description="the id of who asked")] = None,
    session: Annotated[str | None, Query(description="the id of the session whose commands they were")] = None,
) -> Response:
    """Executions, newest first, without what went in and came out."""
    page = await host.store.list(
        limit=limit,
        before=before,
        status=status,
        language=language,
        adapter=adapter,
        actor=actor,
        session=session,
    )
    view = ExecutionPage.model_construct(executions=page.executions, next=page.next)
    return Response(view.model_dump_json(), media_type=_JSON)


@router.get(
    "/v1/executions/{execution_id}",
    operation_id="show",
    summary="Look up an execution",
    response_model=ExecutionView,
    responses=responses(404, 422, 503),
)
async def show(host: TheHost, execution_id: _ID) -> Response:
    """The record of an execution, with what its policy lets the store keep. While it runs, `status` is null."""
    view = ExecutionView.of(await host.store.get(execution_id))
    return Response(view.model_dump_json(), media_type=_JSON)


@router.delete(
    "/v1/executions/{execution_id}",
    operation_id="cancel",
    summary="Cancel an execution",
    response_model=ExecutionView,
    responses=responses(404, 409, 422, 503),
)
async def cancel(host: TheHost, execution_id: _ID) -> Response:
    """Stop a program and answer with its record. When this answers, the program is dead. What has ended stays as it is:
    409.
    """
    await host.cancel(execution_id)
    record = await host.store.get(execution_id)
    if record.summary.status is None and record.owner == host.owner:  # it was accepted just now
        await host.cancel(execution_id)
        record = await host.store.get(execution_id)
    status = record.summary.status
    if status is None and record.owner != host.owner:
        raise OwnedElsewhere(f"another host runs {execution_id!r}.", remedy="Cancel it there.")
    if status is None:
        raise StoreError(f"{execution_id!r} has ended, and its end could not be recorded.", remedy="See the log.")
    if status is not Status.CANCELLED:
        raise AlreadyEnded(f"execution {execution_id!r} has ended: {status}.", remedy="Look it up with GET.")
    return Response(ExecutionView.of(record).model_dump_json(), media_type=_JSON)
