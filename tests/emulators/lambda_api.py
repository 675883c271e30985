"""The Runtime API of one execution environment: where its runtime takes invocations from and answers them.

Like the real one it knows who asks by nothing: any process of the environment that can reach the port may take the next
invocation or answer the one under way. That a guest can't is for the product to see to.
"""

import contextlib
import json
import select
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["MAX_RESPONSE_BYTES", "Invocation", "RuntimeApi"]

MAX_RESPONSE_BYTES = 6_291_556
_BASE = "/2018-06-01/runtime/"


@dataclass(eq=False)
class Invocation:
    """One invocation on its way through an environment.

    Attributes:
        answer: what the runtime answered; None until then.
        failed: whether that is an error.
        answered: set with the answer.
    """

    payload: bytes
    tenant: str | None = None
    client_context: str | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    arn: str = ""
    deadline: float = 0.0
    answer: bytes | None = None
    failed: bool = False
    answered: threading.Event = field(default_factory=threading.Event)

    def resolve(self, answer: bytes, *, failed: bool) -> None:
        """The first answer counts."""
        if not self.answered.is_set():
            self.answer, self.failed = answer, failed
            self.answered.set()


class RuntimeApi:
    """The HTTP server of one environment.

    Attributes:
        address: host and port, as the runtime gets them.
        changed: notified whenever somebody asks for work, takes it or answers it, and when initialising failed.
        waiting: those who ask for the next invocation at this moment, served in the order in which they came.
        trouble: the error that the runtime reported before it asked for its first invocation.
        polls: how often the next invocation was asked for.
    """

    def __init__(self) -> None:
        """Listen."""
        self.changed = threading.Condition()
        self.waiting: list[socket.socket] = []
        self.polls = 0
        self.trouble: bytes | None = None
        self._pending: Invocation | None = None
        self._current: Invocation | None = None
        self._closed = False
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.api = self
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._serve, name="runtime API", daemon=True)
        self._thread.start()

    def offer(self, invocation: Invocation) -> None:
        """Hand out an invocation to whoever asked first and is still there, or asks next."""
        with self.changed:
            self.waiting = [each for each in self.waiting if not _gone(each)]
            self._pending = invocation
            self.changed.notify_all()

    def next(self, asking: socket.socket) -> Invocation | None:
        """Wait for an invocation. None when the environment is closed, or who asks has gone."""
        with self.changed:
            self.waiting.append(asking)
            self.polls += 1
            self.changed.notify_all()
            self.changed.wait_for(
                lambda: self._closed or asking not in self.waiting or (self._pending and self.waiting[0] is asking)
            )
            if self._closed or asking not in self.waiting:
                return None
            self.waiting.remove(asking)
            self._current, self._pending = self._pending, None
            self.changed.notify_all()
            return self._current

    def answer(self, request_id: str, body: bytes, *, failed: bool) -> tuple[int, str]:
        """Take an answer; gives status and error type."""
        with self.changed:
            current = self._current
            if current is None or current.id != request_id or current.answered.is_set():
                return 400, "InvalidRequestID"
            if len(body) > MAX_RESPONSE_BYTES:
                text = f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
                error = {"errorMessage": text, "errorType": "Function.ResponseSizeTooLarge"}
                current.resolve(json.dumps(error).encode(), failed=True)
                self.changed.notify_all()
                return 413, "RequestEntityTooLarge"
            current.resolve(body, failed=failed)
            self.changed.notify_all()
            return 202, ""

    def give_up(self, body: bytes) -> None:
        """The runtime could not start."""
        with self.changed:
            self.trouble = body
            self.changed.notify_all()

    def close(self) -> None:
        """Stop listening; who waits is cut off."""
        with self.changed:
            self._closed = True
            self.changed.notify_all()
        with contextlib.suppress(OSError):
            self._server.socket.shutdown(socket.SHUT_RDWR)  # it wakes up the thread that listens
        self._thread.join()
        self._server.server_close()

    def _serve(self) -> None:
        while not self._closed:
            self._server.handle_request()


def _gone(connection: socket.socket) -> bool:
    looking = select.poll()
    try:
        looking.register(connection, select.POLLIN)
        return bool(looking.poll(0)) and connection.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True


class _Server(ThreadingHTTPServer):
    api: RuntimeApi
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A runtime that was killed in mid-sentence is nothing to report."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 1200

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Write nothing."""

    def do_GET(self) -> None:
        """Hand out the next invocation."""
        if self.path != _BASE + "invocation/next":
            self._say(404, {"errorType": "InvalidPath", "errorMessage": self.path})
            return
        invocation = self.server.api.next(self.connection)
        if invocation is None:
            self.close_connection = True
            return
        headers = {
            "Lambda-Runtime-Aws-Request-Id": invocation.id,
            "Lambda-Runtime-Deadline-Ms": str(int(invocation.deadline * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": invocation.arn,
            "Lambda-Runtime-Trace-Id": f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]};Sampled=0",
        }
        if invocation.tenant is not None:
            headers["Lambda-Runtime-Aws-Tenant-Id"] = invocation.tenant
        if invocation.client_context is not None:
            headers["Lambda-Runtime-Client-Context"] = invocation.client_context
        self._send(200, invocation.payload, headers)

    def do_POST(self) -> None:
        """Take an answer or an error."""
        body = b"".join(self._body())
        match self.path.removeprefix(_BASE).split("/"):
            case ["init", "error"]:
                self.server.api.give_up(body)
                self._say(202, {"status": "OK"})
            case ["invocation", request_id, ("response" | "error") as kind]:
                status, error = self.server.api.answer(request_id, body, failed=kind == "error")
                said = {"status": "OK"} if status == 202 else {"errorType": error, "errorMessage": "Refused."}
                self._say(status, said)
            case _:
                self._say(404, {"errorType": "InvalidPath", "errorMessage": self.path})

    def _body(self) -> Iterator[bytes]:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            yield self.rfile.read(int(self.headers.get("Content-Length") or 0))
            return
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _say(self, status: int, message: dict) -> None:
        self._send(status, json.dumps(message).encode(), {})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
