"""The kinds of failure that a call to a service can end in, and what each says of the run.

Everything that a library raises is one of these kinds (``codes``, ``exceptions``); a kind and the phase of the call
make the marks of our one error. An adapter that talks to another service can keep this table and bring lists of its
own.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["KINDS", "Kind", "Marks", "Phase", "marks"]


class Phase(StrEnum):
    """What a call does on the far side."""

    EXECUTING = "executing"
    """It runs the caller's code. It is sent once, whatever happens."""
    IDEMPOTENT = "idempotent"
    """Done twice, it leaves what once leaves: start with a client token, stop, get, list."""
    PROBING = "probing"
    """It only asks whether the service is there. It is not repeated: whoever probes will probe again."""


class Kind(StrEnum):
    """Why a call failed."""

    NOT_CONFIGURED = "not_configured"
    """No region, no credentials, a profile that is not there, a setting that cannot be read."""
    UNREACHABLE = "unreachable"
    """No connection was made: no network, or no such service in the region."""
    CREDENTIALS = "credentials"
    """There are credentials, and they are expired or wrong."""
    DENIED = "denied"
    """The credentials are right and may not do this."""
    BUSY = "busy"
    """The service takes no more just now, or what it needs is not ready yet."""
    FULL = "full"
    """A quota of the account is used up, and waiting does not help."""
    INVALID = "invalid"
    """The request itself is wrong. It is wrong everywhere, so it goes to no other adapter."""
    NOT_FOUND = "not_found"
    """What was to be used is not there: function, interpreter, session, image."""
    UNUSABLE = "unusable"
    """It is there and cannot work: a broken package, a key, network or runtime that is gone."""
    TOO_LARGE = "too_large"
    """The service takes no request of that size."""
    SERVICE_FAULT = "service_fault"
    """The service failed, and does not say how far it had come."""
    CUT = "cut"
    """The connection was lost, or no whole answer came in time."""
    CLOSED = "closed"
    """The adapter was closed before the answer came."""
    INTERNAL = "internal"
    """A fault of ours, or an exception that nobody has met yet."""


class Marks(NamedTuple):
    """What a kind of failure says of a call.

    Attributes:
        retryable: the same call may succeed on another try.
        may_have_started: where it was sent, what it asks for may have begun.
    """

    retryable: bool
    may_have_started: bool


KINDS: Mapping[Kind, Marks] = MappingProxyType(
    {
        Kind.NOT_CONFIGURED: Marks(retryable=False, may_have_started=False),
        Kind.UNREACHABLE: Marks(retryable=True, may_have_started=False),
        Kind.CREDENTIALS: Marks(retryable=False, may_have_started=False),
        Kind.DENIED: Marks(retryable=False, may_have_started=False),
        Kind.BUSY: Marks(retryable=True, may_have_started=False),
        Kind.FULL: Marks(retryable=False, may_have_started=False),
        Kind.INVALID: Marks(retryable=False, may_have_started=False),
        Kind.NOT_FOUND: Marks(retryable=False, may_have_started=False),
        Kind.UNUSABLE: Marks(retryable=False, may_have_started=False),
        Kind.TOO_LARGE: Marks(retryable=False, may_have_started=False),
        Kind.SERVICE_FAULT: Marks(retryable=True, may_have_started=True),
        Kind.CUT: Marks(retryable=True, may_have_started=True),
        Kind.CLOSED: Marks(retryable=False, may_have_started=True),
        Kind.INTERNAL: Marks(retryable=False, may_have_started=True),
    }
)


class RunMarks(NamedTuple):
    """The three marks of an ``AdapterError``."""

    retryable: bool
    may_have_started: bool
    lost: bool


def marks(kind: Kind, phase: Phase, *, sent: bool, in_stream: bool = False) -> RunMarks:
    """What our error says of a call that failed.

    Args:
        kind: why it failed.
        phase: what it does on the far side.
        sent: whether the request left this machine, at least in part.
        in_stream: the answer had begun to come when it failed, so the far side had taken the request on.
    """
    retryable, may_have_started = KINDS[kind]
    runs = phase is Phase.EXECUTING and sent
    lost = runs and may_have_started
    return RunMarks(retryable, may_have_started=lost or (runs and in_stream), lost=lost)
