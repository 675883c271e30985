"""What a function answers, and what went wrong where it is no answer of ours.

Lambda says 200 whatever became of an invocation; that it failed stands beside the answer, and why stands in it.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from adapters.aws.redaction import redacted, shortened
from adapters.aws_lambda.functions import Function
from host.errors import AdapterError

__all__ = ["UNCLEAN", "Reply", "read"]

UNCLEAN = 86
"""The exit code with which our handler ends an environment that it cannot clean."""

_EXIT = re.compile(r"exit status (\d+)")


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back of one invocation.

    Attributes:
        line: the runner's answer.
        too_large: the program's output was too large for one.
        environment: which execution environment it was, as a random name.
        cold: whether it was the first program of that environment.
        billed_ms: about what Lambda charges for.
        domain: the version of Landlock over there, 0 where there is none.
    """

    line: str = ""
    too_large: bool = False
    environment: str = ""
    cold: bool = False
    billed_ms: int = 0
    domain: int = 0


class _Failure(NamedTuple):
    """What an error of a function says of the run."""

    message: str
    remedy: str = ""
    started: bool = True
    retryable: bool = False


def read(function: Function, error: str | None, payload: bytes, redeploy: str) -> Reply:
    """The reply in the answer of an invocation.

    Args:
        function: which one was invoked.
        error: Lambda's ``FunctionError``, or None.
        payload: the answer.
        redeploy: the command that sets the function up.

    Raises:
        AdapterError: the function failed, and not the program.
    """
    said = _parsed(payload)
    if error is not None:
        failure = _failure(function, str(said.get("errorType", error)), str(said.get("errorMessage", "")), redeploy)
        if failure is None:
            return Reply(too_large=True)
        raise _as_error(failure)
    if said.get("v") != 1 or said.get("error") == "version":
        raise _as_error(_Failure(f"{function.name} is not of this version.", f"Run `{redeploy}`.", started=False))
    if said.get("error") == "late":
        raise _as_error(_Failure(f"The runner in {function.name} held no deadline, and was ended with its program."))
    if "answer" not in said and said.get("error") != "large":
        raise _as_error(_Failure(f"What {function.name} answers is no runner's answer.", f"Run `{redeploy}`."))
    return Reply(
        line=str(said.get("answer", "")),
        too_large="answer" not in said,
        environment=str(said.get("environment", ""))[:64],
        cold=said.get("cold") is True,
        billed_ms=_number(said, "billed_ms"),
        domain=_number(said, "domain"),
    )


def _failure(function: Function, kind: str, text: str, redeploy: str) -> _Failure | None:
    """What an error says; None where the program has put out more than an answer may hold."""
    name = function.name
    exit_code = _EXIT.search(text)
    match kind:
        case "Function.ResponseSizeTooLarge":
            return None
        case "Sandbox.Timedout":
            reason = f"Lambda ended {name} at its timeout ({kind}).{_quoted(text)}"
            return _Failure(reason, f"Give it more time: `{redeploy} --timeout N`.")
        case "Runtime.OutOfMemory":
            return _Failure(
                f"{name} ran out of its {function.memory_mb} MB of memory ({kind}).",
                f"Give it more: `{redeploy} --memory N`.",
            )
        case "Runtime.ExitError" if exit_code is not None and int(exit_code[1]) == UNCLEAN:
            return _Failure(
                f"The program left something in {name} that could not be removed. Its execution environment was ended, "
                "and no other program runs in it; the result went with it."
            )
        case "Runtime.ExitError":
            return _Failure(f"The runner in {name} was lost ({kind}).{_quoted(text)}")
    if kind.startswith(("Runtime.", "Extension.", "Sandbox.")):
        return _Failure(
            f"{name} cannot start ({shortened(kind, 80)}).{_quoted(text)}", f"Run `{redeploy}`.", started=False
        )
    return _Failure(f"The handler of {name} failed ({shortened(redacted(kind), 80)}).{_quoted(text)}")


def _as_error(failure: _Failure) -> AdapterError:
    return AdapterError(
        failure.message,
        remedy=failure.remedy,
        retryable=failure.retryable,
        may_have_started=failure.started,
        lost=failure.started,
    )


def _quoted(text: str) -> str:
    """What Lambda said, as a sentence of its own."""
    said = shortened(redacted(text))
    return f" It said: {said.rstrip('.')}." if said else ""


def _parsed(payload: bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _number(said: Mapping[str, Any], name: str) -> int:
    value = said.get(name)
    return value if type(value) is int and 0 <= value < 1 << 31 else 0
