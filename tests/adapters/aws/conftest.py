"""A small HTTP server that boto3 talks to as if it were AWS, and the environment that sends it there."""

import binascii
import functools
import json
import os
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import pytest_asyncio
from botocore.loaders import JSONFileLoader

from adapters.aws.calls import Calls
from adapters.aws.retries import Retries
from adapters.aws_lambda.settings import LambdaSettings

KEY_ID, SECRET, TOKEN = "AKIAUNDERSTUDYTEST01", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYTESTSECRET", "FwoGZXIvYXdzTESTTOKEN+/="


@dataclass
class Seen:
    """One request as the server saw it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    """One answer: whole, or in pieces with events to wait for between them, or cut off."""

    body: bytes = b"{}"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pieces: tuple[bytes | threading.Event, ...] | None = None
    before: threading.Event | None = None
    cut: bool = False
    promised: int | None = None


def error(code: str, status: int, message: str | None = "no reason given", **fields: object) -> Reply:
    """An error answer of a REST service."""
    text = {} if message is None else {"message": message}
    return Reply(json.dumps({**text, **fields}).encode(), status, {"x-amzn-errortype": code})


def event(payload: dict, kind: str = "result", *, of: str = "event") -> bytes:
    """One message of an event stream; ``of`` is ``event`` or ``exception``."""
    headers = {
        f":{of}-type": kind,
        ":content-type": "application/json",
        ":message-type": of,
    }
    named = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
        for name, value in headers.items()
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(named) + len(body), len(named))
    message = prelude + struct.pack("!I", binascii.crc32(prelude)) + named + body
    return message + struct.pack("!I", binascii.crc32(message))


def events(*pieces: bytes | threading.Event) -> Reply:
    """An answer in events."""
    return Reply(headers={"content-type": "application/vnd.amazon.eventstream"}, pieces=pieces)


class Server:
    """Answers every request with what ``answer`` gives for it, and keeps what it saw."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.arrived = threading.Semaphore(0)
        self.answer: Callable[[Seen], Reply] = lambda seen: Reply()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except ConnectionError:
                    self.close_connection = True

            def serve(self) -> None:
                size = int(self.headers.get("content-length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                seen = Seen(self.command, self.path, headers, self.rfile.read(size))
                outer.seen.append(seen)
                outer.arrived.release()
                reply = outer.answer(seen)
                if reply.before is not None:
                    reply.before.wait(20)
                if reply.cut:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if reply.pieces is None:
                    self.send_header("content-length", str(reply.promised or len(reply.body)))
                    self.end_headers()
                    self.wfile.write(reply.body)
                    self.close_connection = self.close_connection or reply.promised is not None
                    return
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                for piece in reply.pieces:
                    if isinstance(piece, threading.Event):
                        piece.wait(20)
                    else:
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                        self.wfile.flush()
                if reply.promised is None:
                    self.wfile.write(b"0\r\n\r\n")
                else:
                    self.close_connection = True

            do_GET = do_POST = do_PUT = do_DELETE = serve  # noqa: N815 - names of the standard library

            def log_message(self, *_: object) -> None:
                """Nothing to print."""

        class Http(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

        self._http = Http(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def replies(self, *replies: Reply) -> None:
        """Answer with these, one after the other; the last for all that follow."""
        left = list(replies)
        self.answer = lambda seen: left.pop(0) if len(left) > 1 else left[0]

    def close(self) -> None:
        """Stop."""
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture(scope="session", autouse=True)
def _models_read_once() -> Iterator[None]:
    """The services' models are read from disk once: that is most of what making a client takes."""
    with pytest.MonkeyPatch.context() as patch:
        original = JSONFileLoader.load_file
        read = functools.cache(lambda path: original(JSONFileLoader(), path))
        patch.setattr(JSONFileLoader, "load_file", lambda self, path: read(path))
        yield


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """An environment in which nothing of AWS is set, and nothing asks the machine for credentials."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower() in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def server(bare, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The server, with an environment whose AWS it is."""
    made = Server()
    monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    yield made
    made.close()


@pytest_asyncio.fixture
async def make_calls() -> AsyncIterator[Callable[..., Calls]]:
    """Makes calls for an adapter; they are closed at the end. Retries hardly wait."""
    made: list[Calls] = []

    def make(**settings) -> Calls:
        table = {"region": "eu-west-1", **settings}
        calls = Calls("lambda", LambdaSettings.read(table), Retries(first_wait_s=0.001, longest_wait_s=0.002))
        made.append(calls)
        return calls

    yield make
    for calls in made:
        await calls.aclose()


@pytest.fixture
def calls(server, make_calls) -> Calls:
    """Calls that go to the server."""
    return make_calls()


@pytest.fixture
def aws() -> "type[Answers]":
    """What the server may answer with, and the credentials in use."""
    return Answers


class Answers:
    """Names for tests, which cannot import this file."""

    Reply, error, event, events = Reply, staticmethod(error), staticmethod(event), staticmethod(events)
    key_id, secret, token = KEY_ID, SECRET, TOKEN
