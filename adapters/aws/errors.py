"""Turns whatever a call to AWS raises into our one error.

``explained`` is the only way out of ``calls``. What kind of failure it was comes from two lists (``codes``,
``exceptions``), what it says of the run from the kind and the phase (``kinds``), and the sentence from ``sentences``.
"""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass

from adapters.aws.codes import kind_of_code
from adapters.aws.exceptions import kind_of_class
from adapters.aws.kinds import Kind, Phase, marks
from adapters.aws.redaction import redacted, shortened
from adapters.aws.sentences import SIGN_IN, Said, sentence
from host.errors import AdapterError
from host.events import get_logger
from host.interface import Finding

__all__ = ["About", "AwsError", "Call", "explained", "finding", "kind_of"]

_log = get_logger("understudy.aws")
_WRAPPERS = ("botocore.exceptions.HTTPClientError", "urllib3.exceptions.MaxRetryError", "tenacity.RetryError")
_NO_HANDSHAKE = frozenset(
    {
        "HTTP_REQUEST",
        "NO_PROTOCOLS_AVAILABLE",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "TLSV1_UNRECOGNIZED_NAME",
        "UNSUPPORTED_PROTOCOL",
        "WRONG_VERSION_NUMBER",
    }
)


class AwsError(AdapterError):
    """A call to AWS failed.

    Attributes:
        kind: why.
        code: the service's error code, or the name of the exception's class.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: Kind,
        code: str = "",
        remedy: str = "",
        retryable: bool = False,
        may_have_started: bool = True,
        lost: bool = False,
    ) -> None:
        super().__init__(message, remedy=remedy, retryable=retryable, may_have_started=may_have_started, lost=lost)
        self.kind = kind
        self.code = code


@dataclass(frozen=True, slots=True)
class About:
    """What a call uses, for sentences such as "AWS Lambda has not got function understudy-python".

    Attributes:
        thing: its name for people.
        missing: the remedy where it does not exist or cannot work.
    """

    thing: str = ""
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One call, as errors speak of it.

    Attributes:
        adapter: the adapter's name, which is that of its table in the configuration.
        service: as boto3 names it: ``bedrock-agentcore``.
        operation: the client's method: ``invoke_code_interpreter``.
        phase: what the call does on the far side.
        about: what it uses.
    """

    adapter: str
    service: str
    operation: str
    phase: Phase
    about: About = About()


def kind_of(error: BaseException) -> Kind | None:
    """Why it failed; None for an exception that nobody has met yet."""
    code = _code(error)
    if code is not None:
        return kind_of_code(*code)
    kind = kind_of_class(type(error))
    if kind is Kind.CUT and _never_connected(error):
        return Kind.UNREACHABLE
    inner = _wrapped(error)
    return kind if inner is None else kind_of(inner) or kind


def explained(
    error: BaseException,
    call: Call,
    *,
    region: str = "",
    sent: bool = True,
    in_stream: bool = False,
    secrets: tuple[str, ...] = (),
) -> AwsError:
    """Our error for what a call raised.

    Args:
        error: what it raised.
        call: which call.
        region: where it went; "" where none is known.
        sent: whether the request left this machine.
        in_stream: part of the answer had come.
        secrets: the credentials in use; no message holds them.
    """
    kind = kind_of(error)
    name = type(error).__name__
    if kind is None:
        kind = Kind.INTERNAL
        _log.warning("aws_unmapped", error=f"{type(error).__module__}.{name}", operation=call.operation)
    answer = _code(error)
    operation = str(getattr(error, "operation_name", None) or _api_name(call.operation))
    in_stream = in_stream or name == "EventStreamError"
    said = Said(
        adapter=call.adapter,
        service=SIGN_IN.get(operation, call.service) if answer else call.service,
        operation=operation,
        region=region,
        about=call.about.thing,
        missing=call.about.missing,
        code=redacted(answer[0], secrets) if answer else name,
        text=shortened(redacted(_text(error), secrets)),
        answered=answer is not None,
    )
    message, remedy = sentence(kind, said)
    retryable, may_have_started, lost = marks(kind, call.phase, sent=sent, in_stream=in_stream)
    return AwsError(
        redacted(message, secrets),
        kind=kind,
        code=said.code,
        remedy=redacted(remedy, secrets),
        retryable=retryable,
        may_have_started=may_have_started,
        lost=lost,
    )


def finding(error: AdapterError, name: str) -> Finding:
    """What a check says of an error."""
    return Finding(name=name, ok=False, reason=error.message, remedy=error.remedy)


def _code(error: BaseException) -> tuple[str, int | None] | None:
    """The error code and the HTTP status of an answer; None where it is no answer of a service."""
    response = getattr(error, "response", None)
    if not isinstance(response, dict) or not isinstance(response.get("Error"), dict):
        return None
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return str(response["Error"].get("Code") or "Unknown"), status if isinstance(status, int) else None


def _text(error: BaseException) -> str:
    """What the service or the library said."""
    response = getattr(error, "response", None)
    if isinstance(response, dict) and isinstance(response.get("Error"), dict):
        return str(response["Error"].get("Message") or "")
    return str(error)


def _wrapped(error: BaseException) -> BaseException | None:
    """What an exception has inside that says nothing by itself."""
    if f"{type(error).__module__}.{type(error).__qualname__}" not in _WRAPPERS:
        return None
    attempt = getattr(error, "last_attempt", None)
    inner = attempt.exception() if attempt is not None else getattr(error, "reason", None)
    if inner is None:
        inner = getattr(error, "kwargs", {}).get("error")
    return inner if isinstance(inner, BaseException) and inner is not error else None


def _never_connected(error: BaseException) -> bool:
    """Whether TLS failed before a request could be sent: a wrong certificate, or no TLS at all on the far side."""
    return any(
        isinstance(each, ssl.SSLCertVerificationError)
        or (isinstance(each, ssl.SSLError) and each.reason in _NO_HANDSHAKE)
        for each in _chain(error)
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and what it was made of, the outermost first."""
    seen: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        each = waiting.pop(0)
        if isinstance(each, BaseException) and each not in seen:
            seen.append(each)
            yield each
            waiting += [each.__cause__, each.__context__, getattr(each, "kwargs", {}).get("error"), *each.args]


def _api_name(operation: str) -> str:
    """``invoke_code_interpreter`` as the API names it."""
    return "".join(word[:1].upper() + word[1:] for word in operation.split("_"))
