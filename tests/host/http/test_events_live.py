"""Server-Sent Events: a run told while it goes on, to clients that stay, come back, are slow, or never return.

The service is a process of its own with the real wall, and the clients are sockets.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from host.testing import missing

pytestmark = pytest.mark.engine

COMMAND = str(Path(sys.executable).with_name("understudy"))
COUNTS = "import time\nn = 0\nwhile True:\n    print(n, flush=True)\n    n += 1\n    time.sleep(0.01)\n"
"""A program that never ends by itself."""


@dataclass(frozen=True)
class Event:
    """One event as it came over the wire."""

    name: str
    id: int | None
    data: dict


def parsed(text):
    """The events in a piece of an event stream; a comment is an event without data."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":") and ": " in line)
        if "event" in fields:
            number = int(fields["id"]) if "id" in fields else None
            found.append(Event(fields["event"], number, json.loads(fields["data"])))
        elif block.startswith(":"):
            found.append(Event("comment", None, {}))
    return found


def written(events, stream="stdout"):
    """What was told of one output stream."""
    return "".join(each.data["text"] for each in events if each.name == stream)


class Reader:
    """A client that reads an event stream from its own socket, as far as it likes."""

    def __init__(self, url, method, path, body=None, headers=()):
        self._address = httpx.URL(url)
        content = json.dumps(body).encode() if body is not None else b""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._address.netloc.decode()}", "Accept: text/event-stream"]
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}", *headers]
        self._request = "\r\n".join(lines).encode() + b"\r\n\r\n" + content
        self._text = ""

    async def __aenter__(self):
        self._reader, self._writer = await asyncio.open_connection(
            self._address.host, self._address.port, limit=1 << 26
        )
        self._writer.write(self._request)
        return self

    async def __aexit__(self, *failure):
        self.cut()

    def cut(self):
        """Break the connection: the service gets a reset."""
        self._writer.transport.abort()

    async def head(self):
        """The status and the headers."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        status, *lines = head.strip().split("\r\n")
        return int(status.split()[1]), {key.lower(): value for key, value in (line.split(": ", 1) for line in lines)}

    async def next(self):
        """The next event or comment; None at the end."""
        while True:
            block, end, rest = self._text.partition("\n\n")
            if end:
                self._text = rest
                if events := parsed(block):
                    return events[0]
                continue
            size = int(await self._reader.readline(), 16)
            self._text += (await self._reader.readexactly(size + 2))[:-2].decode()
            if not size:
                return None

    async def until(self, number):
        """So many events, or all that there are."""
        found = []
        while len(found) < number and (event := await self.next()) is not None:
            found.append(event)
        return found

    async def rest(self):
        """All to the end, comments left out."""
        return [each for each in await self.until(sys.maxsize) if each.name != "comment"]


def posting(url, code, **fields):
    """A reader of a new execution."""
    return Reader(url, "POST", "/v1/executions", {"code": code, "policy": "data", **fields})


def following(url, execution_id, after=None, *headers):
    """A reader of one that is there."""
    query = "" if after is None else f"?after={after}"
    return Reader(url, "GET", f"/v1/executions/{execution_id}/events{query}", headers=headers)


@contextlib.contextmanager
def started(state_dir, **settings):
    """The command ``understudy serve`` with the wall; gives the process and its address."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(state_dir), "UNDERSTUDY_STATE_DIR": str(state_dir)}
    environment |= {"UNDERSTUDY_ADAPTERS__PREFER": "sandbox", "PYTHONPATH": str(Path(__file__).parents[3])}
    assignments = [f"--set={key.replace('__', '.')}={value}" for key, value in settings.items()]
    command = [COMMAND, "serve", "--port", "0", "--json", *assignments]
    log = (state_dir / "service.log").open("ab")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    try:
        line = process.stdout.readline()
        assert line, (state_dir / "service.log").read_text()
        yield process, json.loads(line)["url"]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        log.close()


def only_with_wall(url):
    """Skip where the wall is not ready; under CI that is a failure."""
    adapters = httpx.get(f"{url}/v1/adapters").json()
    wall = next(each for each in adapters if each["name"] == "sandbox")
    if not wall["ready"] or "python" not in wall["languages"]:
        missing(f"sandbox: {wall['reason']} {wall['remedy']}")


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """The address of a service with the wall."""
    with started(tmp_path_factory.mktemp("served"), streams__heartbeat_ms=50) as (_, url):
        only_with_wall(url)
        yield url


@pytest.fixture
def walled(tmp_path):
    """Starts a service of the test's own with further settings."""

    @contextlib.contextmanager
    def start(**settings):
        with started(tmp_path, **settings) as (process, url):
            only_with_wall(url)
            yield process, url

    return start


async def recorded(url, execution_id):
    """The record once it has an end."""
    async with httpx.AsyncClient(base_url=url) as client:
        while (answer := await client.get(f"/v1/executions/{execution_id}")).status_code == 404 or (
            answer.json()["status"] is None
        ):
            pass
        return answer.json()


async def test_a_run_is_told_as_events_and_ends_with_its_result(url):
    """Headers that nothing on the way stores or holds back; numbered events; the last is the whole result."""
    code = "import sys\nprint('out')\nprint('err', file=sys.stderr)\n6 * 7"
    async with posting(url, code, id="told") as client:
        status, headers = await client.head()
        events = await client.rest()
    assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-cache", "no")
    assert "content-length" not in headers
    assert [each.id for each in events] == list(range(1, len(events) + 1))
    assert events[0].name == "started"
    assert events[0].data == {"id": "told", "adapter": "sandbox", "language": "python", "policy": "data"}
    assert (written(events), written(events, "stderr")) == ("out\n", "err\n")
    result = events[-1].data
    assert (events[-1].name, result["status"], result["value"]) == ("result", "succeeded", 42)
    record = await recorded(url, "told")
    assert {key: record[key] for key in result if key in record} == {
        key: result[key] for key in result if key in record
    }


async def test_output_comes_while_the_program_runs(url):
    """What a program that never ends has written is there; DELETE then ends it and the stream, with its last event."""
    async with posting(url, COUNTS, id="live") as client, httpx.AsyncClient(base_url=url) as other:
        await client.head()
        events = [each for each in await client.until(10) if each.name != "comment"]
        answer = await other.delete("/v1/executions/live")
        events += await client.rest()
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert (events[-1].name, events[-1].data["status"]) == ("result", "cancelled")
    numbers = written(events).split()
    assert numbers == [str(number) for number in range(len(numbers))]
    assert written(events) == events[-1].data["stdout"] == answer.json()["stdout"]


NAMED = """
import ctypes
ctypes.CDLL(None).prctl(15, b"{name}", 0, 0, 0)
print("named", flush=True)
while True:
    pass
"""


def processes_named(name):
    """The processes of this machine that gave themselves that name."""
    found = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            found += [path] if path.read_text().strip() == name else []
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc")
async def test_when_delete_answers_the_program_is_dead(url):
    """The process that was there before is not there any more at the moment of the answer."""
    name = f"us-{os.getpid()}"
    async with posting(url, NAMED.format(name=name), id="dead") as client, httpx.AsyncClient(base_url=url) as other:
        await client.head()
        while (await client.next()).name != "stdout":
            pass
        assert len(processes_named(name)) == 1
        answer = await other.delete("/v1/executions/dead", timeout=60)
        assert processes_named(name) == []
    assert answer.json()["status"] == "cancelled"


@pytest.mark.parametrize(
    ("code", "limits", "status"),
    [
        ("print('é🎭' * 50_000)", {}, "succeeded"),
        ("import sys\nfor n in range(3000):\n    print(n)\n    print(-n, file=sys.stderr)", {}, "succeeded"),
        ("import sys\nsys.stdout.buffer.write(b'\\xff\\xfe cut \\xc3')\nsys.stdout.flush()", {}, "succeeded"),
        ("print('before')\n1 / 0", {}, "failed"),
        ("while True:\n    print('x' * 1000)", {"max_output_bytes": 100_000}, "output_limit"),
        ("import os\nprint('x', flush=True)\nos.kill(os.getpid(), 9)", {}, "killed"),
        ("print('x', flush=True)\nwhile True:\n    pass", {"max_execution_time": 300}, "timed_out"),
    ],
    ids=["wide", "both", "not UTF-8", "failed", "too much", "killed", "too long"],
)
async def test_the_pieces_make_the_output_however_it_ends(url, code, limits, status):
    """All pieces put together are the result's stdout and stderr, whatever became of the program."""
    async with posting(url, code, limits=limits) as client:
        await client.head()
        events = await client.rest()
    result = events[-1].data
    assert result["status"] == status
    assert (written(events), written(events, "stderr")) == (result["stdout"], result["stderr"])
    assert result["stdout"] != ""


async def test_a_service_that_was_killed_tells_the_end_when_it_is_back(walled):
    """After SIGKILL the next service has recorded the run as interrupted, and says so to a client that comes back."""
    with walled() as (process, url):
        async with posting(url, COUNTS, id="lost") as client:
            await client.head()
            last = (await client.until(3))[-1].id
            process.kill()
    with walled() as (_, url):
        async with following(url, "lost", last) as client:
            await client.head()
            (end,) = await client.rest()
    assert (end.name, end.id, end.data["status"]) == ("result", last + 1, "interrupted")


async def test_a_client_that_lost_its_connection_comes_back(url):
    """The run goes on without it, and from the number of its last event on it gets the rest: nothing twice, nothing
    missing.
    """
    async with posting(url, COUNTS, id="cut") as client:
        await client.head()
        events = [each for each in await client.until(4) if each.name != "comment"]
        client.cut()
    for way in ("header", "query", "both"):
        last = events[-1].id
        after, headers = {
            "header": (None, (f"Last-Event-ID: {last}",)),
            "query": (last, ()),
            "both": (0, (f"Last-Event-ID: {last}",)),
        }[way]
        async with following(url, "cut", after, *headers) as client:
            status, _ = await client.head()
            assert status == 200
            events += [each for each in await client.until(4) if each.name != "comment"]
            client.cut()
    async with httpx.AsyncClient(base_url=url) as other:
        assert (await other.get("/v1/executions/cut")).json()["status"] is None
        await other.delete("/v1/executions/cut")
    async with following(url, "cut", events[-1].id) as client:
        await client.head()
        events += await client.rest()
    assert [each.id for each in events] == list(range(1, len(events) + 1))
    assert written(events) == events[-1].data["stdout"]
    async with following(url, "cut") as client:
        await client.head()
        assert await client.rest() == events


async def test_nobody_comes_back(walled):
    """When streams.grace_ms are over the program is stopped, and its record says why."""
    with walled(streams__grace_ms=300) as (_, url):
        async with posting(url, COUNTS, id="left") as client:
            await client.head()
            await client.until(2)
            client.cut()
        record = await recorded(url, "left")
    assert (record["status"], record["reason"]) == ("cancelled", "Nobody followed its stream for 300 ms.")
    assert record["stdout"].startswith("0\n")


async def test_without_a_grace_a_lost_connection_cancels(walled):
    """With streams.grace_ms = 0 a stream is as a plain answer: its caller gone, the program is stopped."""
    with walled(streams__grace_ms=0) as (_, url):
        async with posting(url, COUNTS, id="left") as client:
            await client.head()
            await client.until(2)
            client.cut()
        assert (await recorded(url, "left"))["status"] == "cancelled"


async def test_several_follow_one_plain_run(url):
    """A run whose caller waits for JSON can be followed too, by many, and all are told the same."""
    async with httpx.AsyncClient(base_url=url, timeout=60) as other:
        run = asyncio.create_task(other.post("/v1/executions", json={"code": COUNTS, "policy": "data", "id": "plain"}))
        while (await other.get("/v1/executions/plain")).status_code == 404:
            pass
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(following(url, "plain")) for _ in range(5)]
            for client in clients:
                await client.head()
                await client.until(3)
            await other.delete("/v1/executions/plain")
            ends = [(await client.rest())[-1] for client in clients]
    answer = (await run).json()
    assert all(end.data == answer for end in ends)
    assert answer["status"] == "cancelled"


async def test_commands_of_a_session_are_told_too(url):
    """Commands of one session are runs like others: told as they go on, and cancelled also while they wait."""
    async with httpx.AsyncClient(base_url=url, timeout=60) as other:
        opened = await other.post("/v1/sessions", json={"language": "python", "policy": "data", "id": "live-session"})
        assert opened.status_code == 201, opened.text
        async with posting(url, "x = 6\nprint('set')", session="live-session") as client:
            await client.head()
            assert written(await client.rest()) == "set\n"
        code = "print(x * 7, flush=True)\nwhile True:\n    pass"
        async with posting(url, code, session="live-session", id="first") as client:
            await client.head()
            events = [await client.next()]
            while events[-1].name != "stdout":
                events.append(await client.next())
            waits = asyncio.create_task(
                other.post("/v1/executions", json={"code": "x", "session": "live-session", "id": "second"})
            )
            while (await other.get("/v1/sessions/live-session")).json()["queued"] == 0:
                pass
            assert (await other.delete("/v1/executions/second")).json()["may_have_started"] is False
            assert (await waits).json()["status"] == "cancelled"
            await other.delete("/v1/executions/first")
            events += await client.rest()
        assert (written(events), events[-1].data["status"]) == ("42\n", "cancelled")


async def test_a_client_that_reads_nothing_holds_nobody_up(walled, tmp_path):
    """The program goes on and others are told; who takes nothing for streams.stall_ms is left."""
    code = "for n in range(1000):\n    print('x' * 9999)\n"
    with walled(streams__stall_ms=1000) as (_, url), contextlib.closing(_socket_that_reads_nothing(url, code)):
        record = await recorded(url, "stuck")
        assert (record["status"], len(record["stdout"])) == ("succeeded", 10_000_000)
        async with following(url, "stuck") as client:
            await client.head()
            assert written(await client.rest()) == record["stdout"]
        while "client_stalled" not in (tmp_path / "service.log").read_text():
            await asyncio.sleep(0)


def _socket_that_reads_nothing(url, code):
    """A client with a small window that sends its request and never looks at the answer."""
    address = httpx.URL(url)
    body = json.dumps({"code": code, "policy": "data", "id": "stuck"}).encode()
    head = f"POST /v1/executions HTTP/1.1\r\nHost: {address.netloc.decode()}\r\nAccept: text/event-stream\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.connect((address.host, address.port))
    made.sendall(head.encode() + body)
    return made


async def test_silence_is_filled_with_comments(url):
    """While a program says nothing, a comment shows now and then that the connection is alive."""
    code = "import time\ntime.sleep(30)"
    async with posting(url, code, id="silent") as client, httpx.AsyncClient(base_url=url) as other:
        await client.head()
        assert [each.name for each in await client.until(3)] == ["started", "comment", "comment"]
        await other.delete("/v1/executions/silent")


@pytest.mark.parametrize(("sent", "within"), [(signal.SIGTERM, 300), (signal.SIGINT, 0)])
async def test_a_service_that_stops_ends_its_streams(walled, sent, within):
    """Told to stop, it cancels what outlasts the grace, and every follower gets the last event."""
    with walled(server__shutdown_grace_ms=within) as (process, url):
        async with posting(url, COUNTS, id="mine") as client:
            await client.head()
            await client.until(2)
            async with following(url, "mine") as other:
                await other.head()
                await other.until(2)
                process.send_signal(sent)
                ends = [(await each.rest())[-1] for each in (client, other)]
        assert await asyncio.to_thread(process.wait, 20) == 0
    assert [(end.name, end.data["status"]) for end in ends] == [("result", "cancelled")] * 2
    assert ends[0].data["reason"] == "The host shut down before the program ended."
