"""The errors that leave this package.

* UnderstudyError
  x RequestError                 never became an execution; the caller can mend it
    - UnknownPolicy
    - UnknownLanguage
    - UnknownAdapter
    - UnknownExecution
    - UnknownSession
    - WidenedLimits
    - InvalidRequest
    - DuplicateExecution
    - DuplicateSession
    - SessionMismatch
    - SessionNotServed
    - SessionEnded
      . SessionLost
    - SessionBusy
    - SessionsFull
    - OwnedElsewhere
    - SequenceAhead
    - NotSupportedYet
  x NothingCanServe              no adapter may run it and the placeholder is switched off
  x HostBusy                     so many programs wait for their turn that no more are let in
  x HostClosing                  the host is shutting down
  x ConfigurationError           a setting or policy file is wrong; the host does not start
  x PluginError                  a required plugin is missing or broken; the host does not start
  x StoreError                   the record could not be written, so nothing was run
  x AdapterError                 the wall failed, not the program; ends as a recorded result

Every message names the thing, the reason and the remedy. ``type`` is stable and is what HTTP clients match on.
"""

__all__ = [
    "AdapterError",
    "ConfigurationError",
    "DuplicateExecution",
    "DuplicateSession",
    "HostBusy",
    "HostClosing",
    "InvalidRequest",
    "NotSupportedYet",
    "NothingCanServe",
    "OwnedElsewhere",
    "PluginError",
    "RequestError",
    "SequenceAhead",
    "SessionBusy",
    "SessionEnded",
    "SessionLost",
    "SessionMismatch",
    "SessionNotServed",
    "SessionsFull",
    "StoreError",
    "UnderstudyError",
    "UnknownAdapter",
    "UnknownExecution",
    "UnknownLanguage",
    "UnknownPolicy",
    "UnknownSession",
    "WidenedLimits",
]


class UnderstudyError(Exception):
    """Any error of ours.

    Attributes:
        type: stable kebab-case name of the kind of problem.
        status: the HTTP status that fits it.
        title: one short sentence that is the same for every error of the kind.
        remedy: what the reader can do, or "".
    """

    type = "internal"
    status = 500
    title = "Something went wrong inside the host"

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(f"{message} {remedy}".strip() if remedy else message)
        self.message = message
        self.remedy = remedy


class RequestError(UnderstudyError):
    """The request never became an execution."""

    type = "invalid-request"
    status = 422
    title = "The request cannot be taken as it is"


class InvalidRequest(RequestError):
    """A field of the request is malformed."""


class UnknownPolicy(RequestError):
    """No policy has that name."""

    type = "unknown-policy"
    title = "No policy has that name"


class UnknownLanguage(RequestError):
    """No plugin knows that language."""

    type = "unknown-language"
    title = "No plugin knows that language"


class UnknownAdapter(RequestError):
    """No adapter has that name."""

    type = "unknown-adapter"
    title = "No adapter has that name"


class UnknownExecution(RequestError):
    """No execution has that id."""

    type = "unknown-execution"
    status = 404
    title = "No execution has that id"


class UnknownSession(RequestError):
    """No session has that id."""

    type = "unknown-session"
    status = 404
    title = "No session has that id"


class WidenedLimits(RequestError):
    """The request asks for more than its policy gives."""

    type = "widened-limits"
    title = "A request may tighten its policy, never widen it"


class DuplicateExecution(RequestError):
    """An execution with that id was accepted before."""

    type = "duplicate-execution"
    status = 409
    title = "That execution id is taken"


class DuplicateSession(RequestError):
    """A session with that id was opened before."""

    type = "duplicate-session"
    status = 409
    title = "That session id is taken"


class SessionMismatch(RequestError):
    """A command names another language, policy or adapter than its session has."""

    type = "session-mismatch"
    title = "The session has another language, policy or adapter"


class SessionNotServed(RequestError):
    """No adapter of this host keeps sessions of that kind."""

    type = "session-not-served"
    title = "No adapter here keeps sessions of that kind"


class SessionEnded(RequestError):
    """The session is over: it was ended, its time is up, or it has used up what it may use in all."""

    type = "session-ended"
    status = 410
    title = "The session has ended"


class SessionLost(SessionEnded):
    """The session's process is gone, and its variables with it. Nothing is run again."""

    type = "session-lost"
    title = "The session's process is gone"


class SessionBusy(RequestError):
    """So many commands wait for the session that it takes no more."""

    type = "session-busy"
    status = 429
    title = "Too many commands wait for this session"


class SessionsFull(RequestError):
    """The host keeps as many sessions as it may."""

    type = "sessions-full"
    status = 429
    title = "The host keeps as many sessions as it may"


class OwnedElsewhere(RequestError):
    """Another host that is alive has the execution or the session."""

    type = "owned-elsewhere"
    status = 409
    title = "Another host has it"


class SequenceAhead(RequestError):
    """A follower names an event that its stream has not come to."""

    type = "sequence-ahead"
    status = 409
    title = "The stream has not come that far"


class NotSupportedYet(RequestError):
    """The field is part of the contract but nothing installed serves it."""

    type = "not-supported-yet"
    title = "This host does not serve that field yet"


class NothingCanServe(UnderstudyError):
    """No adapter may serve the request, and the placeholder is switched off."""

    type = "nothing-can-serve"
    status = 503
    title = "No adapter may serve this request now"


class HostBusy(UnderstudyError):
    """So many programs wait for their turn that no more are let in. Nothing was run or recorded."""

    type = "busy"
    status = 503
    title = "Too many programs wait for their turn"


class HostClosing(UnderstudyError):
    """The host is shutting down and takes nothing new."""

    type = "closing"
    status = 503
    title = "The host is shutting down"


class ConfigurationError(UnderstudyError):
    """A setting or a policy file is wrong."""

    type = "configuration"
    title = "The configuration is wrong"


class PluginError(UnderstudyError):
    """A plugin that the configuration requires is missing or broken."""

    type = "plugin"
    title = "A required plugin cannot be used"


class StoreError(UnderstudyError):
    """The record could not be written."""

    type = "store"
    status = 503
    title = "The store does not answer"


class AdapterError(UnderstudyError):
    """The wall failed, not the program.

    Attributes:
        retryable: the same request may succeed on another try.
        may_have_started: the program may have begun to run, so a repeat is safe only if it is effect-free.
        lost: the adapter lost sight of the run and cannot say how it ended.
    """

    type = "adapter-failed"
    status = 502
    title = "The adapter failed"

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        retryable: bool = False,
        may_have_started: bool = True,
        lost: bool = False,
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.retryable = retryable
        self.may_have_started = may_have_started
        self.lost = lost
