"""The server inside a MicroVM: takes one program, or one session, and passes on what its runner says.

=================== ================================================================================================
GET /ready          200 and what this MicroVM is, as JSON (see ``facts.py``)
POST /run           the setup and the job of a program, each behind eight bytes of its length. The answer is the row of
                    the runner's messages (see ``runner/main.py``), piece by piece as they come
POST /session       the same for a session; its answer ends when the interpreter is there
POST /command       one command of the session; the answer is the row of messages until it is done
POST /cancel        asks the command that runs to give way
POST .../v1/ready   a hook of the service: the image can be taken
POST .../v1/validate  another: whether a MicroVM of the image works
POST .../v1/run     another: who started this MicroVM
=================== ================================================================================================

A MicroVM is let to one tenant only, ever: a second program or session is answered 409. A program whose client goes away
is ended. What is refused was not begun, and says so: ``{"error": ..., "started": false}``. Nothing is logged.

Standard library only, Python 3.9 to 3.15.
"""

import json
import os
import socketserver
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

_HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [_HERE, os.path.join(_HERE, "guest", "runner")]

import kernel  # noqa: E402 - the runner's
import microvm  # noqa: E402
import tenant  # noqa: E402

PORT = 8080
_HOOKS = "/aws/lambda-microvms/runtime/v1/"
_MOST_BYTES = 256 << 20
_ENDS = frozenset(b"XD")
_OPEN = frozenset(b"XB")
_CANCEL = (2).to_bytes(8, "big") + b"{}"


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "understudy"
    sys_version = ""
    disable_nagle_algorithm = True
    microvm = None

    def do_GET(self):
        if self.path == "/ready":
            self._answer(200, self.microvm.ready())
        else:
            self._answer(404, {"error": "there is only /ready"})

    def do_POST(self):
        try:
            route = {
                "/run": self._run,
                "/session": self._open,
                "/command": self._command,
                "/cancel": self._cancel,
                _HOOKS + "ready": self._hook_ready,
                _HOOKS + "validate": self._hook_validate,
                _HOOKS + "run": self._hook_run,
            }.get(self.path)
            body = self._body()
            if route is None:
                raise microvm.Refused(404, "there is no such place")
            route(body)
        except microvm.Refused as refusal:
            self._answer(refusal.status, {"error": str(refusal), "started": False})
        except (tenant.ClientIsGone, OSError):
            self.close_connection = True

    def log_message(self, *arguments):
        """Nothing is logged: it could be of a program's."""

    def send_error(self, code, message=None, explain=None):
        """What is no request of ours."""
        self.close_connection = True
        self._answer(code, {"error": message or "no", "started": False})

    def _run(self, body):
        self._stream(self.microvm.let_to(body), _ENDS, last=True)

    def _open(self, body):
        self._stream(self.microvm.let_to(body), _OPEN, last=False)

    def _command(self, body):
        session = self.microvm.session()
        if not session.take_turn():
            raise microvm.Refused(409, "another command runs")
        if not session.give(body):
            session.busy = False
            raise microvm.Refused(410, "the interpreter has ended")
        self._stream(session, _ENDS, last=False)

    def _cancel(self, body):
        session = self.microvm.session()
        if session.busy:
            session.give(_CANCEL)
        self._answer(200, {})

    def _hook_ready(self, body):
        self._answer(200, {})

    def _hook_validate(self, body):
        works = self.microvm.works()
        self._answer(200 if works else 500, {})

    def _hook_run(self, body):
        try:
            payload = json.loads(json.loads(body or b"{}").get("runHookPayload") or "{}")
            self.microvm.belongs_to(str(payload.get("owner", ""))[:200] or None)
        except (ValueError, AttributeError):
            raise microvm.Refused(400, "the payload is not ours") from None
        self._answer(200, {})

    def _stream(self, tenant_here, ends, last):
        """Answer with what a runner says, piece by piece."""
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        try:
            whole = tenant_here.pass_on(self.connection, self._send_chunk, ends)
        finally:
            if last:
                tenant_here.end()
        if whole:
            self.wfile.write(b"0\r\n\r\n")
        else:
            tenant_here.end()
            self.close_connection = True

    def _send_chunk(self, data):
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _body(self):
        """All of the request's body.

        Raises:
            Refused: it is too long, or does not come whole.
        """
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            return self._chunked_body()
        length = int(self.headers.get("Content-Length") or 0)
        if length > _MOST_BYTES:
            self.close_connection = True
            raise microvm.Refused(413, "the body is too long")
        body = self.rfile.read(length)
        if len(body) < length:
            raise tenant.ClientIsGone
        return body

    def _chunked_body(self):
        pieces, total = [], 0
        while True:
            size = int(self.rfile.readline(80).split(b";")[0], 16)
            total += size
            if total > _MOST_BYTES:
                self.close_connection = True
                raise microvm.Refused(413, "the body is too long")
            piece = self.rfile.read(size)
            if len(piece) < size:
                raise tenant.ClientIsGone
            self.rfile.readline(80)
            if not size:
                return b"".join(pieces)
            pieces.append(piece)


class Server(socketserver.ThreadingMixIn, HTTPServer):
    """A thread for each connection."""

    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        """A connection that breaks is no news."""


def main():
    """Serve until the MicroVM ends."""
    kernel.hide()
    kernel.adopt_orphans()
    if microvm.is_ours():
        microvm.shut_what_is_not_the_programs()
    Handler.microvm = microvm.MicroVM(_HERE)
    Server(("0.0.0.0", PORT), Handler).serve_forever()


if __name__ == "__main__":
    main()
