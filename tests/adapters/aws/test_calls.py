"""Calls through unmodified boto3 over HTTP: what blocks, what is repeated, what is released, what is left."""

import asyncio
import subprocess
import sys
import threading

import pytest

from adapters.aws.errors import AwsError, Call
from adapters.aws.kinds import Kind, Phase
from adapters.aws.threads import NotSent, Ticket
from host.errors import AdapterError

LAMBDA = ("lambda", "invoke", {"FunctionName": "understudy-python", "Payload": b"{}"})
STOP = (
    "bedrock-agentcore",
    "stop_code_interpreter_session",
    {"codeInterpreterIdentifier": "aws.codeinterpreter.v1", "sessionId": "01ABC"},
)


def payload(response) -> bytes:
    """What a Lambda function answered."""
    return response["Payload"].read()


async def arrived(server) -> None:
    """Wait until one more request is at the server."""
    assert await asyncio.to_thread(server.arrived.acquire, timeout=10)


async def test_an_executing_call(calls, server, aws):
    """A call that runs code brings what its reader reads in the thread, signed and under our name."""
    server.replies(aws.Reply(b'{"value": 42}'))
    ticket = Ticket()
    assert not ticket.sent
    assert await calls.once(*LAMBDA, read_timeout_s=5, finish=payload, ticket=ticket) == b'{"value": 42}'
    assert ticket.sent
    (seen,) = server.seen
    assert seen.path == "/2015-03-31/functions/understudy-python/invocations"
    assert "AWS4-HMAC-SHA256" in seen.headers["authorization"]
    assert seen.headers["user-agent"].endswith("understudy")


@pytest.mark.parametrize(
    "fault",
    ["ServiceException", "TooManyRequestsException", "InternalFailure", "cut", "half", "late"],
)
async def test_an_executing_call_is_sent_once(calls, server, aws, fault):
    """Whatever goes wrong with a call that runs code, one request and no more reaches AWS."""
    held = threading.Event()
    replies = {
        "TooManyRequestsException": aws.error("TooManyRequestsException", 429),
        "cut": aws.Reply(cut=True),
        "half": aws.Reply(b"{}", promised=100),
        "late": aws.Reply(before=held),
    }
    server.replies(replies.get(fault) or aws.error(fault, 500))
    with pytest.raises(AwsError) as caught:
        await calls.once(*LAMBDA, read_timeout_s=0.1 if fault == "late" else 5, finish=payload)
    held.set()
    may_run = fault != "TooManyRequestsException"
    assert (caught.value.may_have_started, caught.value.lost) == (may_run, may_run)
    assert len(server.seen) == 1


async def test_the_read_timeout_is_that_of_the_call(calls, server, aws):
    """Two calls with one client may each be silent as long as each may; a reader waits no longer than its call."""
    held = threading.Event()
    server.replies(aws.Reply(before=held), aws.Reply(b"[]"), aws.Reply(pieces=(b"{", held, b"}")))
    with pytest.raises(AwsError, match="did not answer Invoke in time") as caught:
        await calls.once(*LAMBDA, read_timeout_s=0.05, finish=payload)
    assert caught.value.kind is Kind.CUT
    assert await calls.once(*LAMBDA, read_timeout_s=30, finish=payload) == b"[]"
    with pytest.raises(AwsError, match="did not answer Invoke in time"):
        await calls.once(*LAMBDA, read_timeout_s=0.05, finish=payload)
    held.set()


async def test_an_idempotent_call_is_tried_again(calls, server, aws):
    """A stop that meets a throttle, a fault and a cut connection goes through at the fourth try."""
    server.replies(
        aws.error("ThrottlingException", 429),
        aws.error("InternalServerException", 500),
        aws.Reply(cut=True),
        aws.Reply(b'{"sessionId": "01ABC"}'),
    )
    assert (await calls.again(*STOP))["sessionId"] == "01ABC"
    assert len(server.seen) == 4


async def test_tries_are_bounded(calls, server, aws):
    """A throttle that stays is the error after as many tries as are allowed, and nothing is said to run."""
    server.replies(aws.error("ThrottlingException", 429))
    with pytest.raises(AwsError) as caught:
        await calls.again(*STOP, attempts=3)
    assert len(server.seen) == 3
    assert (caught.value.kind, caught.value.may_have_started, caught.value.lost) == (Kind.BUSY, False, False)
    with pytest.raises(AwsError):
        await calls.again(*STOP, attempts=1)
    assert len(server.seen) == 4


@pytest.mark.parametrize(("code", "status"), [("ValidationException", 400), ("AccessDeniedException", 403)])
async def test_what_does_not_help_is_not_repeated(calls, server, aws, code, status):
    """A request that is wrong or not allowed is made once, by calls that may be repeated too."""
    server.replies(aws.error(code, status))
    with pytest.raises(AwsError):
        await calls.again(*STOP)
    assert len(server.seen) == 1


async def test_a_probe_asks_once(calls, server, aws):
    """A probe is not repeated, and what it met is no run."""
    server.replies(aws.error("ServiceUnavailable", 503))
    with pytest.raises(AwsError) as caught:
        await calls.probe("lambda", "get_function_configuration", {"FunctionName": "understudy-python"})
    assert len(server.seen) == 1
    assert (caught.value.retryable, caught.value.may_have_started) == (True, False)


async def test_a_list_in_pages(calls, server, aws):
    """A list is read page by page, up to as many items as are wanted."""
    pages = (b'{"items": [{"sessionId": "a"}], "nextToken": "2"}', b'{"items": [{"sessionId": "b"}]}')
    params = {"codeInterpreterIdentifier": "aws.codeinterpreter.v1"}
    listing = ("bedrock-agentcore", "list_code_interpreter_sessions", params)
    server.replies(*(aws.Reply(page) for page in pages))
    assert [each["sessionId"] for each in await calls.listed(*listing, items="items")] == ["a", "b"]
    assert b'"nextToken": "2"' in server.seen[1].body
    server.replies(*(aws.Reply(page) for page in pages))
    assert len(await calls.listed(*listing, items="items", most=1)) == 1


async def test_the_loop_goes_on(calls, server, aws):
    """64 calls wait at the same time while the loop serves others; all come back when the far side answers."""
    held = threading.Event()
    server.replies(aws.Reply(b"1", before=held))
    waiting = [asyncio.create_task(calls.once(*LAMBDA, read_timeout_s=20, finish=payload)) for _ in range(64)]
    for _ in waiting:
        await arrived(server)
    assert not any(task.done() for task in waiting)
    held.set()
    assert await asyncio.gather(*waiting) == [b"1"] * 64


async def test_a_stop_never_waits_for_a_run(make_calls, server, aws):
    """Where every thread for runs is taken, the next run waits its turn and a stop goes through."""
    calls = make_calls(max_running=1)
    held = threading.Event()
    server.answer = lambda seen: aws.Reply(b"{}", before=held if "invocations" in seen.path else None)
    first = asyncio.create_task(calls.once(*LAMBDA, read_timeout_s=20, finish=payload))
    await arrived(server)
    ticket = Ticket()
    second = asyncio.create_task(calls.once(*LAMBDA, read_timeout_s=20, ticket=ticket, finish=payload))
    await calls.again(*STOP)
    assert not ticket.sent
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    held.set()
    await first
    await calls.once(*LAMBDA, read_timeout_s=20, finish=payload)
    assert sum("invocations" in seen.path for seen in server.seen) == 2  # the cancelled one was never sent


async def test_cancelling_releases_at_once(calls, server, aws):
    """A cancelled caller is released while the far side still works, and knows that the program may run on."""
    held = threading.Event()
    server.replies(aws.Reply(before=held), aws.Reply(b"2"))
    ticket = Ticket()
    task = asyncio.create_task(calls.once(*LAMBDA, read_timeout_s=20, ticket=ticket, finish=payload))
    await arrived(server)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ticket.sent
    assert not held.is_set()
    assert await calls.once(*LAMBDA, read_timeout_s=5, finish=payload) == b"2"
    held.set()


def test_what_is_given_up_is_not_sent():
    """A ticket that was given up lets nothing out any more, so what it says stays true."""
    ticket = Ticket()
    ticket.give_up()
    with pytest.raises(NotSent):
        ticket.send()
    assert (ticket.sent, ticket.given_up) == (False, True)


async def test_closing(make_calls, server, aws):
    """Closing releases whoever waits, says truly what may have started, and takes nothing new."""
    calls = make_calls(max_running=1)
    held = threading.Event()
    server.replies(aws.Reply(before=held))
    ended: list[AwsError] = []

    async def run() -> None:
        try:
            await calls.once(*LAMBDA, read_timeout_s=20, finish=payload)
        except AwsError as failed:
            ended.append(failed)

    tasks = [asyncio.create_task(run()), asyncio.create_task(run())]
    await arrived(server)
    closing = asyncio.create_task(calls.aclose())
    await asyncio.gather(*tasks)
    held.set()
    await closing
    assert {failed.kind for failed in ended} == {Kind.CLOSED}
    assert sorted(failed.may_have_started for failed in ended) == [False, True]  # one was sent, one was queued
    for thread in threading.enumerate():
        if thread.name.startswith("understudy-lambda"):
            thread.join(10)
            assert not thread.is_alive()
    with pytest.raises(AwsError, match="Adapter lambda was closed") as caught:
        await calls.again(*STOP)
    assert not caught.value.may_have_started
    await calls.aclose()


def test_a_waiting_thread_does_not_hold_up_the_process():
    """A process ends at once though a call of it still waits for its answer."""
    program = """
import asyncio, os, socket
from adapters.aws.calls import Calls
from adapters.aws.settings import AwsSettings
from adapters.aws.threads import NotSent, Ticket

async def main():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        os.environ.update(AWS_ENDPOINT_URL=f"http://127.0.0.1:{silent.getsockname()[1]}", AWS_ACCESS_KEY_ID="a",
                          AWS_SECRET_ACCESS_KEY="bbbb", AWS_EC2_METADATA_DISABLED="true")
        calls = Calls("lambda", AwsSettings(region="eu-west-1"))
        task = asyncio.create_task(calls.once("lambda", "invoke", {"FunctionName": "f"}, read_timeout_s=600))
        far_side, _ = await asyncio.to_thread(silent.accept)
        await asyncio.to_thread(far_side.recv, 10)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            print("released")
        globals()["kept"] = far_side

asyncio.run(main())
print("ended")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout.split(), done.stderr) == (["released", "ended"], "")


def test_nothing_is_imported_before_the_first_call():
    """What adapters import of ours brings neither boto3 nor tenacity, so the command line stays quick."""
    program = (
        "import sys, adapters.aws.calls, adapters.aws.identity, adapters.aws.prices, adapters.aws.remedies;"
        "adapters.aws.calls.Calls('lambda', adapters.aws.settings.AwsSettings());"
        "print([name for name in ('boto3', 'botocore', 'tenacity', 'urllib3') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


async def test_other_work_fails_alike(calls):
    """A request of an adapter's own has the same threads, the same errors and the same truth of what was sent."""

    def refused(ticket: Ticket) -> None:
        raise ConnectionRefusedError

    def dropped(ticket: Ticket) -> None:
        ticket.send()
        raise ConnectionResetError

    call = Call("lambda_microvm", "lambda-microvms", "post_run", Phase.EXECUTING)
    with pytest.raises(AwsError) as caught:
        await calls.run(refused, call)
    assert (caught.value.kind, caught.value.may_have_started) == (Kind.UNREACHABLE, False)
    with pytest.raises(AwsError) as caught:
        await calls.run(dropped, call)
    assert (caught.value.kind, caught.value.may_have_started, caught.value.lost) == (Kind.CUT, True, True)
    assert await calls.run(lambda ticket: 42, call) == 42


async def test_a_readers_own_error_passes(calls, server):
    """An ``AdapterError`` that a reader raises arrives as it is; StopIteration does not leave anybody waiting."""
    own = AdapterError("The answer is no answer of ours.", may_have_started=True)

    def reader(response) -> None:
        raise own

    def stops(response) -> None:
        raise StopIteration

    with pytest.raises(AdapterError) as caught:
        await calls.once(*LAMBDA, read_timeout_s=5, finish=reader)
    assert caught.value is own
    with pytest.raises(AwsError) as caught:
        await calls.once(*LAMBDA, read_timeout_s=5, finish=stops)
    assert caught.value.kind is Kind.INTERNAL


async def test_threads_have_names(calls, server, aws):
    """A thread that waits can be told by its name, and an idle one is used again."""
    names = [await calls.run(lambda _: threading.current_thread().name, _CALL) for _ in range(40)]
    assert all(name.startswith("understudy-lambda-run-") for name in names)
    assert len(set(names)) < len(names)


_CALL = Call("lambda", "lambda", "invoke", Phase.EXECUTING)
