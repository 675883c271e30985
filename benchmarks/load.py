"""The load generator: a program of its own that asks a service for the same run again and again.

``load.py PORT CONNECTIONS SECONDS LANGUAGE`` keeps CONNECTIONS open to 127.0.0.1, has one request under way on each,
and prints as JSON how many runs there were a second, which did not succeed, and how long each took. None is begun when
the time is over; those under way then are counted, with the time that they still take. One thread, no library but the
standard one: what it takes of the processors is part of what it measures.
"""

import json
import selectors
import socket
import sys
import time

__all__ = ["Connection", "main"]

_HEAD_END = b"\r\n\r\n"
_SHOWN = 300
_SUCCEEDED = (b'"status":"succeeded"', b'"value":2')


class Connection:
    """One kept-alive connection with one request under way.

    Attributes:
        seconds: how long each answer took.
        failures: the beginnings of answers that were not a run that succeeded with the value 2.
    """

    def __init__(self, port: int, language: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.seconds: list[float] = []
        self.failures: list[str] = []
        self._request = _request(language)
        self._begun = 0.0
        self._answer = b""

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    def ask(self) -> None:
        """Send the request."""
        self._begun = time.perf_counter()
        self.socket.sendall(self._request)

    def listen(self) -> bool:
        """Take what has come; true where the answer is whole.

        Raises:
            ConnectionError: the service closed the connection.
        """
        piece = self.socket.recv(1 << 16)
        if not piece:
            raise ConnectionError("the service closed a connection before it had answered")
        self._answer += piece
        head, found, body = self._answer.partition(_HEAD_END)
        if not found or len(body) < _length(head):
            return False
        self.seconds.append(time.perf_counter() - self._begun)
        if not (head.startswith(b"HTTP/1.1 200") and all(text in body for text in _SUCCEEDED)):
            self.failures.append(body[:_SHOWN].decode("utf-8", "replace"))
        self._answer = b""
        return True


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ConnectionError("the service gave an answer without a length")


def _request(language: str) -> bytes:
    body = json.dumps({"code": "1 + 1", "language": language, "policy": "strict", "adapter": "sandbox"}).encode()
    lines = (
        "POST /v1/executions HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join(lines).encode() + _HEAD_END + body


def main() -> None:
    """Load the service and print what came of it."""
    port, count, seconds, language = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
    connections = [Connection(port, language) for _ in range(count)]
    with selectors.DefaultSelector() as selector:
        begun = time.perf_counter()
        for connection in connections:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.ask()
        under_way, until, ended = count, begun + seconds, 0
        while under_way:
            for key, _ in selector.select():
                connection = key.data
                if not connection.listen():
                    continue
                ended += 1
                if time.perf_counter() < until:
                    connection.ask()
                else:
                    under_way -= 1
        took = time.perf_counter() - begun
    failures = [failure for connection in connections for failure in connection.failures]
    answers = [seconds for connection in connections for seconds in connection.seconds]
    print(json.dumps({"runs_per_s": ended / took, "failures": failures, "seconds": answers}))


if __name__ == "__main__":
    main()
