"""Whether a request is signed, by whom, and rightly: botocore's own signer does the sum a second time."""

import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.emulators.service import ServiceError
from tests.emulators.wire import Request

__all__ = ["TOLERANCE", "Identity", "signer_of"]

TOLERANCE = timedelta(minutes=15)
"""How far the date of a signature may be from now."""

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/,\s]+)/(?P<date>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request,"
    r"\s*SignedHeaders=(?P<headers>[^,\s]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)
_HEADERS_BY_NATURE = frozenset({"host", "x-amz-date"})


@dataclass(eq=False)
class Identity:
    """Somebody whom the account knows: the keys, and who it is for IAM. ``expired`` may be set at any time."""

    access_key: str
    secret_key: str
    token: str | None
    arn: str
    expired: bool = False


def _refusal(code: str, message: str) -> ServiceError:
    return ServiceError(code, message, status=403)


def _dated(request: Request, date: str) -> str:
    stamp = request.headers.get("x-amz-date", "")
    try:
        at = datetime.strptime(stamp, SIGV4_TIMESTAMP).replace(tzinfo=UTC)
    except ValueError:
        raise _refusal("IncompleteSignatureException", "Authorization header requires existence of a date.") from None
    now = datetime.now(UTC)
    if at < now - TOLERANCE:
        oldest = (now - TOLERANCE).strftime(SIGV4_TIMESTAMP)
        message = f"Signature expired: {stamp} is now earlier than {oldest} ({now.strftime(SIGV4_TIMESTAMP)} - 15 min.)"
        raise _refusal("InvalidSignatureException", message)
    if at > now + TOLERANCE:
        newest = (now + TOLERANCE).strftime(SIGV4_TIMESTAMP)
        message = f"Signature not yet current: {stamp} is still later than {newest}"
        raise _refusal("InvalidSignatureException", message)
    if not stamp.startswith(date):
        raise _refusal("InvalidSignatureException", "Date in Credential scope does not match YYYYMMDD from ISO-8601.")
    return stamp


def _expected(request: Request, given: re.Match[str], identity: Identity, stamp: str) -> str:
    signer = SigV4Auth(Credentials(identity.access_key, identity.secret_key), given["service"], given["region"])
    names = given["headers"].split(";")
    headers = {name: request.headers.get(name, "") for name in names}
    host = request.headers.get("host", "")
    url = f"http://{host}{request.path}" + (f"?{request.query}" if request.query else "")
    again = AWSRequest(method=request.method, url=url, headers=headers, data=request.body)
    again.context["timestamp"] = stamp
    return signer.signature(signer.string_to_sign(again, signer.canonical_request(again)), again)


def signer_of(request: Request, identities: dict[str, Identity], service: str, region: str) -> Identity:
    """Who signed a request.

    Raises:
        ServiceError: 403, with the code that AWS answers.
    """
    authorization = request.headers.get("authorization")
    if not authorization:
        raise _refusal("MissingAuthenticationTokenException", "Missing Authentication Token")
    given = _AUTHORIZATION.fullmatch(authorization)
    if given is None or not set(given["headers"].split(";")) >= _HEADERS_BY_NATURE:
        raise _refusal("IncompleteSignatureException", "Authorization header is not a complete AWS4-HMAC-SHA256 one.")
    identity = identities.get(given["key"])
    if identity is None or request.headers.get("x-amz-security-token") != identity.token:
        message = "The security token included in the request is invalid."
        raise _refusal("UnrecognizedClientException", message)
    stamp = _dated(request, given["date"])
    if given["service"] != service or given["region"] != region:
        message = f"Credential should be scoped to a valid region and to correct service: '{service}'."
        raise _refusal("InvalidSignatureException", message)
    if not hmac.compare_digest(_expected(request, given, identity, stamp), given["signature"]):
        raise _refusal(
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details.",
        )
    if identity.expired:
        raise _refusal("ExpiredTokenException", "The security token included in the request is expired")
    return identity
