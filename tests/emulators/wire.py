"""HTTP/1.1 on a blocking socket: enough of it for AWS's clients, and no more."""

import contextlib
import socket
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus

__all__ = ["Broken", "Connection", "Request"]

_LONGEST_LINE = 65_536
_MOST_HEADERS = 200


class Broken(Exception):
    """What came is not HTTP, or the peer is gone."""


@dataclass
class Request:
    """One request. ``path`` and ``query`` are as they were sent; header names are in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


class Connection:
    """Reads requests from a socket and writes answers to it."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._reader = sock.makefile("rb", buffering=65_536)

    def close(self) -> None:
        """Cut the connection, also under a thread that is reading from it."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Give the socket back. Only the thread that reads may do so."""
        self.close()
        self._reader.close()
        self._sock.close()

    def _line(self) -> str:
        line = self._reader.readline(_LONGEST_LINE)
        if not line.endswith(b"\r\n"):
            raise Broken("a line is too long or cut off")
        return line[:-2].decode("latin-1")

    def _exactly(self, size: int) -> bytes:
        body = self._reader.read(size)
        if len(body) != size:
            raise Broken("the body is cut off")
        return body

    def _chunked(self) -> bytes:
        chunks = []
        while size := int(self._line().partition(";")[0], 16):
            chunks.append(self._exactly(size))
            self._line()
        while self._line():
            pass
        return b"".join(chunks)

    def read(self) -> Request | None:
        """The next request, or None at the end.

        Raises:
            Broken: if what comes is not a request.
        """
        try:
            if not self._reader.peek(1):
                return None
            method, target, _ = self._line().split(" ")
            headers: dict[str, str] = {}
            for _ in range(_MOST_HEADERS):
                if not (line := self._line()):
                    break
                name, _, value = line.partition(":")
                name, value = name.lower(), value.strip()
                headers[name] = f"{headers[name]},{value}" if name in headers else value
            else:
                raise Broken("too many headers")
            if headers.get("expect", "").lower() == "100-continue":
                self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            chunked = "chunked" in headers.get("transfer-encoding", "")
            body = self._chunked() if chunked else self._exactly(int(headers.get("content-length") or 0))
        except (OSError, ValueError) as error:
            raise Broken(str(error)) from error
        path, _, query = target.partition("?")
        return Request(method, path, query, headers, body)

    def _send(self, data: bytes) -> None:
        try:
            self._sock.sendall(data)
        except OSError as error:
            raise Broken(str(error)) from error

    def send_head(self, status: int, headers: dict[str, str]) -> None:
        """Send the status line and the headers."""
        phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Unknown"
        lines = [f"HTTP/1.1 {status} {phrase}", f"Date: {formatdate(usegmt=True)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._send("\r\n".join([*lines, "", ""]).encode("utf-8"))

    def send(self, data: bytes) -> None:
        """Send a piece of a body whose length the headers give."""
        self._send(data)

    def send_chunk(self, data: bytes) -> None:
        """Send one chunk of a body without a length; an empty one ends it."""
        self._send(b"%x\r\n%b\r\n" % (len(data), data))
