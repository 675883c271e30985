"""Server-Sent Events: a run told to a client while it goes on, and told again to one that comes back."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Response
from starlette.types import Message, Receive, Scope, Send

from host.errors import UnderstudyError
from host.events import get_logger
from host.http.problems import problem, responses
from host.http.views import TheHost
from host.settings import StreamSettings
from host.streams import StreamEvent

__all__ = ["DOCUMENTED", "MEDIA_TYPE", "EventStream", "router", "wanted"]

MEDIA_TYPE = "text/event-stream"
DOCUMENTED = {
    "schema": {
        "type": "object",
        "title": "Event",
        "description": "One of the Server-Sent Events. The last is `result`, whose data is an ExecutionResult, or "
        "`problem`, whose data is a Problem.",
        "properties": {
            "event": {"enum": ["started", "stdout", "stderr", "display", "result", "problem"]},
            "id": {"type": "string", "pattern": "^[1-9][0-9]*$", "description": "its number; a problem has none"},
            "data": {"type": "string", "contentMediaType": "application/json"},
        },
        "required": ["event", "data"],
    },
    "example": 'event: started\nid: 1\ndata: {"id": "mine", "adapter": "sandbox", "language": "python", '
    '"policy": "strict"}\n\nevent: stdout\nid: 2\ndata: {"text": "hello\\n"}\n\n',
}
"""What OpenAPI says of a response in this media type."""

router = APIRouter(tags=["executions"])
_log = get_logger("understudy.http")


def wanted(accept: str) -> bool:
    """Whether a client asks for events: its Accept header names them, and not JSON before them."""
    accept = accept.lower()
    if MEDIA_TYPE not in accept:  # nearly always
        return False
    weights: dict[str, float] = {}
    for part in accept.split(","):
        kind, *parameters = (each.strip() for each in part.split(";"))
        weights[kind] = min((_weight(each) for each in parameters), default=1.0)
    return weights.get(MEDIA_TYPE, 0.0) > 0 and weights[MEDIA_TYPE] >= weights.get("application/json", 0.0)


def _weight(parameter: str) -> float:
    name, _, value = parameter.partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0


@router.get(
    "/v1/executions/{execution_id}/events",
    operation_id="events",
    summary="Follow an execution",
    response_class=Response,
    responses={
        **responses(404, 409, 422, 503),
        200: {"description": "What happens, as it happens.", "content": {MEDIA_TYPE: DOCUMENTED}},
        204: {"description": "It has ended, and the client has been told everything."},
    },
)
async def events(
    host: TheHost,
    execution_id: Annotated[str, Path(description="the id of an execution", max_length=128)],
    after: Annotated[int, Query(ge=0, description="the number of the last event that the client has; 0 for all")] = 0,
    last_event_id: Annotated[
        int, Header(ge=0, description="the same, as a browser sends it; it counts before `after`")
    ] = 0,
) -> Response:
    """Tell what an execution does, from its beginning or from where the client was cut off, until its result.

    Any execution may be followed, by any number of clients. One that ended longer ago than `streams.keep_ms` has one
    event: the result, as far as the policy lets the store keep it.
    """
    told = host.attach(execution_id, last_event_id or after)
    try:
        first = await anext(told)
    except StopAsyncIteration:
        return Response(status_code=204)
    return EventStream(first, told, host.settings.streams)


class EventStream(Response):
    """The rest of a stream as a response. However it ends, the stream is closed.

    Args:
        first: the first event; there is one, or there would be a problem in place of this.
        events: those that follow.
        settings: of heartbeats and patience.
    """

    def __init__(self, first: StreamEvent, events: AsyncGenerator[StreamEvent, None], settings: StreamSettings) -> None:
        super().__init__(media_type=MEDIA_TYPE, headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._first = first
        self._events = events
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the stream ends, the client goes away, or it takes nothing any more."""
        del scope
        sending = asyncio.ensure_future(self._send_all(send))
        gone = asyncio.ensure_future(_until_gone(receive))
        try:
            await asyncio.wait((sending, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            sending.cancel()
            await asyncio.wait((sending, gone))
            await self._events.aclose()
        if not sending.cancelled() and (error := sending.exception()) is not None:
            if not isinstance(error, TimeoutError):
                raise error
            _log.warning("client_stalled", stall_ms=self._settings.stall_ms)

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await self._send(send, f"retry: {self._settings.retry_ms}\n\n{_frame(self._first)}")
        try:
            async with contextlib.aclosing(self._with_heartbeats()) as told:
                async for each in told:
                    await self._send(send, ":\n\n" if each is None else _frame(each))
        except UnderstudyError as error:  # the record could not be written
            await self._send(send, _problem_frame(error))
        await self._send(send, "", more=False)

    async def _with_heartbeats(self) -> AsyncGenerator[StreamEvent | None, None]:
        """The events, and None whenever there was none for a while."""
        coming: asyncio.Future[StreamEvent] | None = None
        try:
            while True:
                coming = coming or asyncio.ensure_future(anext(self._events))
                done, _ = await asyncio.wait((coming,), timeout=self._settings.heartbeat_ms / 1000)
                if not done:
                    yield None
                    continue
                try:
                    event = coming.result()
                except StopAsyncIteration:
                    return
                coming = None
                yield event
        finally:
            if coming is not None and coming.cancel():
                await asyncio.wait((coming,))

    async def _send(self, send: Send, text: str, *, more: bool = True) -> None:
        message: Message = {"type": "http.response.body", "body": text.encode("utf-8"), "more_body": more}
        async with asyncio.timeout(self._settings.stall_ms / 1000):
            await send(message)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _frame(event: StreamEvent) -> str:
    return f"event: {event.name}\nid: {event.seq}\ndata: {event.json()}\n\n"


def _problem_frame(error: UnderstudyError) -> str:
    document = problem(error.status, error.type, error.title, error.message, remedy=error.remedy)
    return f"event: problem\ndata: {bytes(document.body).decode('utf-8')}\n\n"
