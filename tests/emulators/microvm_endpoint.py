"""The HTTPS endpoint of one MicroVM: checks the token and the port, and passes requests on to what listens inside."""

import atexit
import contextlib
import functools
import http.client
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

from host.testing import missing
from tests.emulators.faults import ConnectionCut
from tests.emulators.service import ServiceError

__all__ = ["Passage", "VmEndpoint", "authority"]

_OWN = "x-aws-proxy-"
_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-connection"}


class Authority:
    """A certificate authority of the tests' own, and what a server on 127.0.0.1 shows of it."""

    def __init__(self, folder: Path) -> None:
        """Make key and certificate."""
        self.path = folder / "ca.pem"
        key = folder / "key.pem"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-keyout", str(key), "-out", str(self.path), "-days", "2", "-subj", "/CN=Understudy tests"]
        command += ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
        command += ["-addext", "keyUsage=critical,digitalSignature,keyCertSign"]
        subprocess.run(command, check=True, capture_output=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.path, key)


@functools.cache
def authority() -> Authority:
    """The authority of this test process. Ends the test where nothing can make one."""
    if shutil.which("openssl") is None:
        missing("openssl is missing: apt-get install openssl")
    folder = Path(tempfile.mkdtemp(prefix="understudy-ca-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Authority(folder)


class Passage(Protocol):
    """One request that is let in, and what the account's faults do to it on its way."""

    def inside(self) -> http.client.HTTPConnection:
        """A connection to what listens inside."""
        ...

    def answered(self) -> None:
        """The program inside has answered; nothing has been sent."""
        ...

    def pieces(self, answer: Iterator[bytes]) -> Iterator[bytes]:
        """The pieces of the answer's body, as they go out."""
        ...

    def close(self) -> None:
        """The answer is out, or never will be."""
        ...


class Door(Protocol):
    """Lets requests in; raises ServiceError or ConnectionCut for those that stay outside."""

    def __call__(self, token: str, port: int, asked: dict[str, Any]) -> Passage: ...


class VmEndpoint:
    """Listens on a port of its own on 127.0.0.1.

    Attributes:
        address: host and port.
    """

    def __init__(self, door: Door) -> None:
        """Listen."""
        self._closed = False
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.door = door
        self._server.tls = authority().context
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._serve, name="microvm endpoint", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening, and cut what is open."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._server.socket.shutdown(socket.SHUT_RDWR)  # it wakes up the thread that listens
        self._server.cut()
        if self._thread is not threading.current_thread():
            self._thread.join()
        self._server.server_close()

    def _serve(self) -> None:
        while not self._closed:
            self._server.handle_request()


class _Server(ThreadingHTTPServer):
    door: Door
    tls: ssl.SSLContext
    request_queue_size = 128

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def finish_request(self, request: socket.socket, client_address: object) -> None:
        """Speak TLS first, in the connection's own thread."""
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.tls.wrap_socket(request, server_side=True) as secure:
            with self._lock:
                self._open.add(secure)
            try:
                super().finish_request(secure, client_address)
            finally:
                with self._lock:
                    self._open.discard(secure)

    def cut(self) -> None:
        """Cut what is open."""
        with self._lock:
            for each in self._open:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is nothing to report."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Write nothing."""

    def _pass_on(self) -> None:
        try:
            port = int(self.headers.get("X-aws-proxy-port") or 8080)
            asked = {"method": self.command, "path": self.path, "port": port}
            with contextlib.closing(
                self.server.door(self.headers.get("X-aws-proxy-auth") or "", port, asked)
            ) as passage:
                self._through(passage)
        except ServiceError as error:
            self.close_connection = True
            self._say(error.status, error.message)
        except ConnectionCut:
            self._cut()
        except ValueError:
            self._say(400, "X-aws-proxy-port is no port")

    def _through(self, passage: Passage) -> None:
        with contextlib.closing(passage.inside()) as inside:
            answer = self._asked(inside)
            passage.answered()
            self._pass_back(answer, passage)

    def _cut(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = _pass_on  # noqa: N815

    def _asked(self, inside: http.client.HTTPConnection) -> http.client.HTTPResponse:
        """Send the request on as it comes.

        Raises:
            ServiceError: nobody inside answers.
        """
        try:
            inside.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _HOP and not name.lower().startswith(_OWN):
                    inside.putheader(name, value)
            chunked = "chunked" in self.headers.get("Transfer-Encoding", "")
            if chunked:
                inside.putheader("Transfer-Encoding", "chunked")
            inside.endheaders()
            for piece in self._body(chunked=chunked):
                inside.send(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            if chunked:
                inside.send(b"0\r\n\r\n")
            return inside.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise ServiceError("BadGateway", "Bad Gateway", status=502) from error

    def _body(self, *, chunked: bool) -> Iterator[bytes]:
        if chunked:
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left and (piece := self.rfile.read1(min(left, 65536))):
            left -= len(piece)
            yield piece

    def _pass_back(self, answer: http.client.HTTPResponse, passage: Passage) -> None:
        """Send the answer out as it comes; what breaks off inside is cut off here."""
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        bare = self.command == "HEAD" or answer.status in {204, 304}
        chunked = answer.getheader("Content-Length") is None and not bare
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        for piece in passage.pieces(_pieces(answer)) if not bare else ():
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            self.wfile.flush()
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _say(self, status: int, message: str) -> None:
        body = message.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


def _pieces(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """The body as it comes.

    Raises:
        ConnectionCut: it breaks off.
    """
    try:
        while piece := answer.read1(65536):
            yield piece
    except (OSError, http.client.HTTPException) as error:
        raise ConnectionCut from error
    if answer.length:
        raise ConnectionCut
