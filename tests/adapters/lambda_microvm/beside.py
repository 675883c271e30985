"""S3 and IAM, as far as a deployment of an image needs them: a bucket, a role. Everything signed is let in."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote

__all__ = ["Beside"]

_ROLE = "arn:aws:iam::123456789012:role/{name}"
_XML = """<{action}Response xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><{action}Result>{result}</{action}Result>
<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{action}Response>"""
_ROLE_XML = """<Role><Path>/</Path><RoleName>{name}</RoleName><RoleId>AROAEMULATEDEMULATED</RoleId><Arn>{arn}</Arn>
<CreateDate>2026-11-21T00:00:00Z</CreateDate></Role>"""
_NO_ROLE = """<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type>
<Code>NoSuchEntity</Code><Message>There is no role.</Message></Error><RequestId>r</RequestId></ErrorResponse>"""
_NO_BUCKET = """<?xml version="1.0"?><Error><Code>NoSuchBucket</Code>
<Message>The specified bucket does not exist</Message></Error>"""


class Beside:
    """Both services on one port of 127.0.0.1. A context manager.

    Attributes:
        buckets: those that there are.
        objects: what was put into them, by address.
        roles: policies of each role, by name.
        actions: what was asked of IAM, in its order.
    """

    def __init__(self, objects: dict[str, bytes], buckets: tuple[str, ...] = ("bucket",)) -> None:
        self.objects = objects
        self.buckets = buckets
        self.roles: dict[str, dict[str, str]] = {}
        self.actions: list[str] = []

    def __enter__(self) -> "Beside":
        handler = type("Handler", (_Handler,), {"beside": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def environment(self) -> dict[str, str]:
        """What points boto3 here."""
        return {
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_ENDPOINT_URL_IAM": self.url,
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        }


class _Handler(BaseHTTPRequestHandler):
    beside: Beside
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Write nothing."""

    def do_PUT(self) -> None:
        assert self.headers["Authorization"].startswith("AWS4-HMAC-SHA256")
        body = self.rfile.read(int(self.headers["Content-Length"]))
        address = unquote(self.path.partition("?")[0].lstrip("/"))
        if address.partition("/")[0] not in self.beside.buckets:
            self._say(404, _NO_BUCKET)
            return
        self.beside.objects[f"s3://{address}"] = body
        self._say(200, "")

    def do_POST(self) -> None:
        given = {key: values[0] for key, values in parse_qs(self._body()).items()}
        action, name = given["Action"], given["RoleName"]
        self.beside.actions.append(action)
        if action == "CreateRole":
            self.beside.roles[name] = {"trust": given["AssumeRolePolicyDocument"]}
        if name not in self.beside.roles:
            self._say(404, _NO_ROLE)
            return
        if action == "PutRolePolicy":
            self.beside.roles[name][given["PolicyName"]] = given["PolicyDocument"]
            self._say(200, _XML.format(action=action, result=""))
            return
        role = _ROLE_XML.format(name=name, arn=_ROLE.format(name=name))
        self._say(200, _XML.format(action=action, result=role))

    def _body(self) -> str:
        return self.rfile.read(int(self.headers["Content-Length"])).decode()

    def _say(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())
