"""Requests that boto3 would not send: signed here, and then as wrong as a test wants them."""

import http.client

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.emulators.account import Account
from tests.emulators.routes import model_of

__all__ = ["sent"]


def sent(
    account: Account, method: str, path: str, body: bytes = b"", *, name: str = "lambda", instead: bytes | None = None
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Status, headers and body of the answer to a request; ``instead`` is sent in place of the body that was signed."""
    url = account.url(name)
    host = url.removeprefix("http://")
    request = AWSRequest(method, url + path, {"host": host}, body)
    who = account.identity
    credentials = Credentials(who.access_key, who.secret_key, who.token)
    SigV4Auth(credentials, model_of(name).metadata["signingName"], account.region).add_auth(request)
    connection = http.client.HTTPConnection(host, timeout=30)
    try:
        connection.request(method, path, body if instead is None else instead, dict(request.headers))
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()
