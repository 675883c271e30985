"""What an emulated service is made of.

To add one, write a class like this and hand it to `account.Account`:

    class Lambda(Service):
        name = "lambda"  # as botocore knows it

        def list_functions(self, call: Call) -> dict:
            if call.input.get("MaxItems") == 0:
                raise ServiceError("InvalidParameterValueException", "MaxItems is 0.")
            return {"Functions": []}

A method has the name that boto3 gives to the operation; it may be `async`. It gets the call, with its input parsed and
checked, and returns the members of the output: `bytes` for blobs, `datetime` for timestamps, an iterator (or an
asynchronous one) of `{member: {...}}` for an event stream, of `bytes` for a streamed blob. A ServiceError becomes the
answer that the service's model has for it; one that is raised while an event stream is iterated becomes an exception
event. Synchronous methods run in the thread of their connection, asynchronous ones in the account's one event loop.

A module that has a function `services()`, which returns new ones, is served by `serve.py` too.
"""

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.emulators.account import Account

__all__ = ["Call", "Service", "ServiceError"]


class ServiceError(Exception):
    """An error answer.

    ``status`` counts only where the service's model has no such error; ``members`` are the other members of its shape.
    """

    def __init__(self, code: str, message: str, *, status: int = 400, **members: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status, self.members = code, message, status, members


@dataclass(eq=False)
class Call:
    """One request that arrived, as the log keeps it.

    ``input`` is None when the request was refused before it was read. ``executed`` says that the handler was begun.
    ``code`` is the code of the error that was answered, unless it came in a stream; ``finished`` is set when the answer
    is out, or cut.
    """

    service: str
    operation: str
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    input: dict[str, Any] | None = None
    executed: bool = False
    code: str | None = None
    finished: threading.Event = field(default_factory=threading.Event, repr=False)


class Service:
    """An emulated service: a handler method for each operation that it offers."""

    name: str = ""
    early_headers = False
    """An answer that streams sends its headers before its first event is there."""

    account: "Account"
    """Set when the service is handed to an account: its region, number, ``arn()``."""

    def start(self) -> None:
        """Called before the endpoint listens."""

    def close(self) -> None:
        """Called when the endpoint has stopped listening: handlers that wait must end now."""

    def resource(self, call: Call) -> str:
        """The ARN that a refusal by IAM names for this call."""
        return self.account.arn(self.name, "*")
