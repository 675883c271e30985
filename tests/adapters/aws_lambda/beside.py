"""What a deployment needs beside Lambda: a few operations of IAM and S3, as little as it takes."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

__all__ = ["Beside"]

_ROLE = """<{action}Response xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><{action}Result><Role><Path>/</Path>
<RoleName>{name}</RoleName><RoleId>AROAEMULATED</RoleId><Arn>arn:aws:iam::123456789012:role/{name}</Arn>
<CreateDate>2026-11-21T00:00:00Z</CreateDate></Role></{action}Result></{action}Response>"""
_ERROR = (
    "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
)


class Beside:
    """IAM's roles and S3's objects at one address.

    Attributes:
        roles: by name, what CreateRole was given.
        objects: by ``s3://bucket/key``.
        buckets: those that there are.
        denied: actions that are refused.
    """

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.roles: dict[str, dict[str, str]] = {}
        self.objects = objects
        self.buckets = {"packages"}
        self.denied: set[str] = set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                """IAM: one query."""
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self._say(*outer.iam({name: values[0] for name, values in parse_qs(body).items()}))

            def do_PUT(self) -> None:
                """S3: one object."""
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self._say(*outer.s3(unquote(urlsplit(self.path).path), body))

            def _say(self, status: int, text: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                """Write nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def iam(self, query: dict[str, str]) -> tuple[int, str]:
        """GetRole and CreateRole."""
        action, name = query["Action"], query["RoleName"]
        if action in self.denied:
            message = (
                f"User: arn:aws:iam::123456789012:user/x is not authorized to perform: iam:{action} on resource: x"
            )
            return 403, _ERROR.format(code="AccessDenied", message=message)
        if action == "CreateRole":
            self.roles[name] = query
        elif name not in self.roles:
            message = f"The role with name {name} cannot be found."
            return 404, _ERROR.format(code="NoSuchEntity", message=message)
        return 200, _ROLE.format(action=action, name=name)

    def s3(self, path: str, body: bytes) -> tuple[int, str]:
        """PutObject."""
        bucket, _, key = path.lstrip("/").partition("/")
        if bucket not in self.buckets:
            return 404, f"<Error><Code>NoSuchBucket</Code><Message>{bucket}</Message></Error>"
        self.objects[f"s3://{bucket}/{key}"] = body
        return 200, ""

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
