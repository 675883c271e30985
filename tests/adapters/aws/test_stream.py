"""Answers that come in events: read in a thread, handed over one by one."""

import asyncio
import contextlib
import threading

import pytest

from adapters.aws import handover
from adapters.aws.errors import AwsError
from adapters.aws.kinds import Kind
from adapters.aws.threads import Ticket

INVOKE = (
    "bedrock-agentcore",
    "invoke_code_interpreter",
    {
        "codeInterpreterIdentifier": "aws.codeinterpreter.v1",
        "sessionId": "01ABC",
        "name": "executeCommand",
        "arguments": {"command": "true"},
    },
)


def output(text: str) -> dict:
    """An event with some standard output."""
    return {"content": [], "structuredContent": {"stdout": text}, "isError": False}


class Noticed(list):
    """A list that tells when something comes into it."""

    def __init__(self) -> None:
        self.something = asyncio.Event()

    def __iadd__(self, more):
        self.something.set()
        return super().__iadd__(more)


async def read(calls, came: list[str], read_timeout_s: float = 20) -> None:
    """Put what comes into ``came``."""
    async with calls.stream(*INVOKE, events="stream", read_timeout_s=read_timeout_s) as events:
        async for event in events:
            came += [stdout(event)]


def stdout(event: dict) -> str:
    """What an event has of it."""
    return event["result"]["structuredContent"]["stdout"]


async def test_events_as_they_come(calls, server, aws):
    """Each event is there before the next is sent, in its order, and the stream ends by itself."""
    held = threading.Event()
    server.replies(aws.events(aws.event(output("a")), held, aws.event(output("b"))))
    ticket = Ticket()
    async with calls.stream(*INVOKE, events="stream", read_timeout_s=20, ticket=ticket) as events:
        first = await anext(events)
        assert ticket.sent
        held.set()
        assert [stdout(first), *[stdout(event) async for event in events]] == ["a", "b"]
        assert [event async for event in events] == []  # asking once more is no hang


@pytest.mark.parametrize(
    ("code", "kind", "lost"),
    [
        ("internalServerException", Kind.SERVICE_FAULT, True),
        ("throttlingException", Kind.BUSY, False),
        ("validationException", Kind.INVALID, False),
        ("serviceQuotaExceededException", Kind.BUSY, False),
        ("accessDeniedException", Kind.DENIED, False),
        ("conflictException", Kind.BUSY, False),
        ("resourceNotFoundException", Kind.NOT_FOUND, False),
        ("somethingNewException", Kind.SERVICE_FAULT, True),
    ],
)
async def test_an_exception_in_the_stream(calls, server, aws, code, kind, lost):
    """What the service raises inside a stream is its kind of error, after the events before it; the run may go on."""
    server.replies(aws.events(aws.event(output("a")), aws.event({"message": "no reason"}, code, of="exception")))
    came = []
    with pytest.raises(AwsError) as caught:
        await read(calls, came)
    assert came == ["a"]
    error = caught.value
    if code == "somethingNewException":
        code = "Unknown"  # botocore drops the name of what is not in its model
    assert (error.kind, error.code, error.may_have_started, error.lost) == (kind, code, True, lost)
    assert len(server.seen) == 1


async def test_an_answer_before_the_stream(calls, server, aws):
    """A denial or a throttle in place of a stream says that nothing has begun."""
    for code, status in (("AccessDeniedException", 403), ("ThrottlingException", 429), ("ValidationException", 400)):
        server.replies(aws.error(code, status))
        with pytest.raises(AwsError) as caught:
            await read(calls, [])
        assert (caught.value.code, caught.value.may_have_started, caught.value.lost) == (code, False, False)


async def test_a_stream_that_breaks(calls, server, aws):
    """A stream that is cut off, damaged or silent is a run that was lost sight of, with what had come by then."""
    whole = aws.event(output("a"))
    damaged = bytearray(whole)
    damaged[-1] ^= 1
    cut_off = aws.events(whole, whole[:20])
    cut_off.promised = 1
    silent = threading.Event()
    for reply in (cut_off, aws.events(whole, bytes(damaged)), aws.events(whole, silent)):
        server.replies(reply)
        came = []
        with pytest.raises(AwsError) as caught:
            await read(calls, came, read_timeout_s=0.3)
        assert came == ["a"]
        assert (caught.value.kind, caught.value.may_have_started, caught.value.lost) == (Kind.CUT, True, True)
    silent.set()


async def test_leaving_early_drains_the_stream(make_calls, server, aws):
    """Who leaves a stream is released, and what still comes is read and dropped, so that the thread is free again."""
    calls = make_calls(max_running=1)
    held = threading.Event()
    server.replies(aws.events(aws.event(output("a")), held, *[aws.event(output("b"))] * 600), aws.events())
    async with calls.stream(*INVOKE, events="stream", read_timeout_s=20) as events:
        await anext(events)
    held.set()
    async with calls.stream(*INVOKE, events="stream", read_timeout_s=20) as events:
        assert [event async for event in events] == []
    assert len(server.seen) == 2


async def test_cancelling_a_stream(calls, server, aws):
    """A cancelled reader is released though the far side goes on."""
    held = threading.Event()
    server.replies(aws.events(aws.event(output("a")), held))
    came = Noticed()
    task = asyncio.create_task(read(calls, came))
    await came.something.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    held.set()


async def test_a_slow_reader_holds_the_thread_back(calls, server, aws, monkeypatch):
    """Events that nobody takes are not piled up without end: the thread waits, and all arrive in the end."""
    monkeypatch.setattr(handover, "_IN_HAND", 2)
    server.replies(aws.events(*[aws.event(output(str(number))) for number in range(50)]))
    async with calls.stream(*INVOKE, events="stream", read_timeout_s=20) as events:
        came = [stdout(await anext(events))]
        assert events._events.qsize() <= 2
        async for event in events:
            assert events._events.qsize() <= 2
            came.append(stdout(event))
    assert came == [str(number) for number in range(50)]


async def test_closing_ends_a_stream(calls, server, aws):
    """Who reads a stream while the adapter is closed is told so, and that the run may go on."""
    held = threading.Event()
    server.replies(aws.events(aws.event(output("a")), held))
    came = Noticed()
    task = asyncio.create_task(read(calls, came))
    await came.something.wait()
    closing = asyncio.create_task(calls.aclose())
    with pytest.raises(AwsError, match="was closed") as caught:
        await task
    held.set()
    await closing
    assert (caught.value.kind, caught.value.may_have_started, caught.value.lost) == (Kind.CLOSED, True, True)


async def test_a_stream_read_whole(calls, server, aws):
    """What may be done twice and answers in events, such as reading files, is read whole in the thread and repeated."""
    server.replies(
        aws.events(aws.event({"message": "no reason"}, "internalServerException", of="exception")),
        aws.events(aws.event(output("a"))),
    )
    read = await calls.again(*INVOKE, finish=lambda response: list(response["stream"]))
    assert [stdout(event) for event in read] == ["a"]


def test_a_loop_that_is_gone():
    """A thread that hands over to a loop that was closed goes on and drops what comes."""
    loop = asyncio.new_event_loop()
    taking = handover.Handover(loop)
    loop.close()
    with contextlib.suppress(AttributeError):
        taking.put("a")
        taking.put("b")
    assert taking.begun
