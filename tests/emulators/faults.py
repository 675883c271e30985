"""What goes wrong on demand.

A test sets one of these on an account:

    fault = account.fail("InvokeCodeInterpreter", faults.throttled())  # every call from now on
    account.fail("Invoke", faults.cut("after"), calls=[1, 3])  # the next call, and the second after it
    account.fail("InvokeCodeInterpreter", faults.stuck(), when=lambda given: given["name"] == "executeCommand")

`fault.hits` counts how often it struck, `fault.struck` is set at the first time, `fault.release()` ends a wait, and
`fault.remove()` takes it away. Calls are counted among those of the operation for which `when(input)` is true.
"""

import threading
from collections.abc import Callable, Collection, Iterator
from typing import Any, Literal

from botocore.model import StructureShape

from tests.emulators import eventstream
from tests.emulators.routes import model_of
from tests.emulators.service import Call, Service, ServiceError

__all__ = [
    "Armed",
    "ConnectionCut",
    "Fault",
    "Faults",
    "cut",
    "denied",
    "error",
    "event_error",
    "expired_credentials",
    "internal",
    "quota",
    "stuck",
    "throttled",
    "unavailable",
]

_IAM_ACTIONS = {("lambda", "Invoke"): "InvokeFunction", ("lambda", "InvokeWithResponseStream"): "InvokeFunction"}
"""Actions that are not named as the operation is."""


class ConnectionCut(Exception):
    """The connection ends here, without a word."""


class Fault:
    """One thing that goes wrong; does nothing by itself."""

    late = False
    """The handler has run to its end before anything goes out."""

    def __init__(self) -> None:
        self.hits = 0
        self.struck = threading.Event()
        self.released = threading.Event()
        self.remove: Callable[[], None] = lambda: None

    def release(self) -> None:
        """Let go on what waits because of this fault, now and later."""
        self.released.set()

    def before(self, call: Call, service: Service) -> None:
        """Called when the request is read and found valid; the handler has not run."""

    def after(self, call: Call) -> None:
        """Called when the handler has run and nothing has been sent."""

    def through(self, pieces: Iterator[bytes], stream: StructureShape | None) -> Iterator[bytes]:
        """The pieces of the answer's body, as they go out."""
        return pieces


class _Refused(Fault):
    def __init__(self, made: Callable[[Call, Service], ServiceError]) -> None:
        super().__init__()
        self._made = made

    def before(self, call: Call, service: Service) -> None:
        raise self._made(call, service)


class _Stuck(Fault):
    def __init__(self, seconds: float | None, where: str) -> None:
        super().__init__()
        self._seconds, self.late = seconds, where == "after"

    def before(self, call: Call, service: Service) -> None:
        if not self.late:
            self.released.wait(self._seconds)

    def after(self, call: Call) -> None:
        if self.late:
            self.released.wait(self._seconds)


class _Cut(Fault):
    def __init__(self, where: str, after: int) -> None:
        super().__init__()
        self._where, self._after, self.late = where, after, where == "after"

    def before(self, call: Call, service: Service) -> None:
        if self._where == "before":
            raise ConnectionCut

    def after(self, call: Call) -> None:
        if self._where == "after":
            raise ConnectionCut

    def through(self, pieces: Iterator[bytes], stream: StructureShape | None) -> Iterator[bytes]:
        if self._where != "middle":
            yield from pieces
            return
        for number, piece in enumerate(pieces):
            if number == self._after:
                yield piece[: len(piece) // 2]
                break
            yield piece
        raise ConnectionCut


class _EventError(Fault):
    def __init__(self, code: str, message: str, after: int, *, executed: bool) -> None:
        super().__init__()
        self._code, self._message, self._after, self.late = code, message, after, executed

    def through(self, pieces: Iterator[bytes], stream: StructureShape | None) -> Iterator[bytes]:
        if stream is None:  # an answer without a stream, as a refusal is
            yield from pieces
            return
        for _ in range(self._after):
            yield next(pieces)
        yield eventstream.refusal(stream, ServiceError(self._code, self._message))


def _own_name(service: Service, *names: str) -> str:
    """The first of some names of an error that a service's model has."""
    known = {shape.name for shape in model_of(service.name).error_shapes}
    return next((name for name in names if name in known), names[0])


def error(code: str, message: str = "Injected.", *, status: int = 400, **members: Any) -> Fault:
    """Any error, before the handler has run. Its status is the model's, if the model has the error."""
    return _Refused(lambda call, service: ServiceError(code, message, status=status, **members))


def throttled() -> Fault:
    """429, under the name that the service has for it."""

    def made(call: Call, service: Service) -> ServiceError:
        if service.name == "lambda":
            reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
            return ServiceError("TooManyRequestsException", "Rate Exceeded.", status=429, Reason=reason)
        return ServiceError(_own_name(service, "ThrottlingException"), "Rate exceeded", status=429)

    return _Refused(made)


def quota() -> Fault:
    """402: a quota of the account is used up. Lambda answers 429 for its concurrency instead."""

    def made(call: Call, service: Service) -> ServiceError:
        if service.name == "lambda":
            reason = "ConcurrentInvocationLimitExceeded"
            return ServiceError("TooManyRequestsException", "Rate Exceeded.", status=429, Reason=reason)
        return ServiceError("ServiceQuotaExceededException", "Your account has reached a service quota.", status=402)

    return _Refused(made)


def denied() -> Fault:
    """403: IAM does not let this caller do this, in the words that IAM has."""

    def made(call: Call, service: Service) -> ServiceError:
        prefix = model_of(service.name).metadata.get("signingName", service.name)
        action = f"{prefix}:{_IAM_ACTIONS.get((service.name, call.operation), call.operation)}"
        return ServiceError(
            "AccessDeniedException",
            f"User: {service.account.identity.arn} is not authorized to perform: {action} on resource: "
            f"{service.resource(call)} because no identity-based policy allows the {action} action",
            status=403,
        )

    return _Refused(made)


def expired_credentials() -> Fault:
    """403: the session token is too old. `account.identity.expired = True` does the same for all operations."""
    return error("ExpiredTokenException", "The security token included in the request is expired", status=403)


def internal() -> Fault:
    """500, under the name that the service has for it."""

    def made(call: Call, service: Service) -> ServiceError:
        name = _own_name(service, "InternalServerException", "ServiceException")
        return ServiceError(name, "An internal error occurred.", status=500)

    return _Refused(made)


def unavailable() -> Fault:
    """503, which no model has: what stands before the service answers."""
    return error("ServiceUnavailableException", "Service is unavailable.", status=503)


def stuck(seconds: float | None = None, *, where: Literal["before", "after"] = "before") -> Fault:
    """Wait before the handler has run, or after it and before the answer: some seconds, or until released."""
    return _Stuck(seconds, where)


def cut(where: Literal["before", "after", "middle"], *, after_events: int = 0) -> Fault:
    """End the connection: before the handler has run; after it, before the answer; in the middle of the answer's body,
    for an event stream in the middle of the event that follows the first ``after_events``.
    """
    return _Cut(where, after_events)


def event_error(code: str, message: str = "Injected.", *, after: int = 0, executed: bool = False) -> Fault:
    """An exception event in the stream after some events, e.g. `event_error("ThrottlingException")`. With ``executed``
    the handler has run to its end all the same.
    """
    return _EventError(code, message, after, executed=executed)


class Faults:
    """The faults that are set on an account."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[Armed] = []

    def add(self, armed: "Armed") -> None:
        """Set a fault."""
        armed.fault.remove = lambda: self._remove(armed)
        with self._lock:
            self._armed.append(armed)

    def _remove(self, armed: "Armed") -> None:
        armed.fault.release()
        with self._lock:
            if armed in self._armed:
                self._armed.remove(armed)

    def clear(self) -> None:
        """Take all away, and let go on what waits."""
        for armed in list(self._armed):
            self._remove(armed)

    def take(self, call: Call) -> list[Fault]:
        """Those that strike this call."""
        with self._lock:
            return [armed.fault for armed in self._armed if armed.strikes(call)]


class Armed:
    """A fault, and the calls that it strikes."""

    def __init__(self, operation: str, fault: Fault, calls: Collection[int] | None, when: Any) -> None:
        self.operation, self.fault, self._calls, self._when = operation, fault, calls, when
        self._seen = 0

    def strikes(self, call: Call) -> bool:
        """Whether it strikes this call, which is counted."""
        if call.operation != self.operation or (self._when and not self._when(call.input)):
            return False
        self._seen += 1
        if self._calls is not None and self._seen not in self._calls:
            return False
        self.fault.hits += 1
        self.fault.struck.set()
        return True
