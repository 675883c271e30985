"""How bytes become requests: uvicorn's protocol on httptools, with an end to what a client may send outside a body.

httptools itself keeps collecting a request line, a header or a trailer for as long as a client goes on with it.
"""

from fastapi import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from host.http.problems import problem

__all__ = ["Protocol"]

_MOST_BYTES = 65_536
"""Of request line, headers and trailers, beside the first piece that comes."""


class Protocol(HttpToolsProtocol):
    """One connection. What is malformed or endless is answered with a problem, and the connection is closed."""

    _outside_bodies = 0
    _got_on = False

    def data_received(self, data: bytes) -> None:
        """Take a piece of what the client sends, and refuse it where request lines and headers have no end."""
        self._got_on = False
        super().data_received(data)
        if self._got_on:
            return
        self._outside_bodies += len(data)
        if self._outside_bodies > _MOST_BYTES and not self.transport.is_closing():
            detail = f"The request line and the headers, or the trailers, are longer than {_MOST_BYTES} bytes."
            self._refuse(problem(431, "headers-too-long", "The headers are too long", detail, remedy="Send less."))

    def send_400_response(self, msg: str) -> None:
        """Called where the bytes are no HTTP."""
        detail = f"{msg.rstrip('.')}: it cannot be read as HTTP/1.1."
        self._refuse(problem(400, "bad-request", "The request is malformed", detail, remedy="Send HTTP/1.1."))

    def _refuse(self, response: Response) -> None:
        reason = {400: b"Bad Request", 431: b"Request Header Fields Too Large"}[response.status_code]
        head = [b"HTTP/1.1 %d %b" % (response.status_code, reason), b"connection: close"]
        head += [b"%b: %b" % header for header in response.raw_headers]
        self.transport.write(b"\r\n".join([*head, b"", bytes(response.body)]))
        self.transport.close()

    # --- what httptools tells -----------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins."""
        self._outside_bodies = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its body begins."""
        self._got_on = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of its body."""
        self._got_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """It is complete."""
        self._got_on = True
        super().on_message_complete()
