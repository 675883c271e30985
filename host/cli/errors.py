"""How errors leave the command line: an exit code, and a sentence (with ``--json`` a problem object) on stderr."""

import json
import sys
import traceback
from typing import TYPE_CHECKING

from host.cli.terminal import complain, joined
from host.errors import (
    AdapterError,
    ConfigurationError,
    HostBusy,
    HostClosing,
    NothingCanServe,
    RequestError,
    UnderstudyError,
)

if TYPE_CHECKING:
    from host.models import Status

__all__ = [
    "CANCELLED",
    "FAILED",
    "FAULT",
    "USAGE",
    "UsageError",
    "exit_code_for_error",
    "exit_code_for_status",
    "report",
]

FAILED = 1
USAGE = 2
FAULT = 70
CANCELLED = 130

_BY_STATUS = {
    "succeeded": 0,
    "failed": FAILED,
    "denied": 3,
    "timed_out": 4,
    "out_of_memory": 4,
    "output_limit": 4,
    "killed": 4,
    "not_implemented": 5,
    "adapter_failed": 6,
    "interrupted": 6,
    "cancelled": CANCELLED,
}


class UsageError(UnderstudyError):
    """The command line asks for something that cannot be."""

    type = "usage"
    status = 400
    title = "The command line cannot be taken as it is"


def exit_code_for_status(status: "Status") -> int:
    """The exit code of ``understudy run`` for the way an execution ended."""
    return _BY_STATUS[status.value]


def exit_code_for_error(error: BaseException) -> int:
    """The exit code for what ended the command before it had a result."""
    if isinstance(error, RequestError | ConfigurationError | UsageError):
        return USAGE
    if isinstance(error, NothingCanServe | HostBusy):
        return 5
    if isinstance(error, AdapterError):
        return 6
    if isinstance(error, HostClosing | KeyboardInterrupt):
        return CANCELLED
    return FAULT


def report(error: BaseException, *, as_json: bool) -> int:
    """Say on stderr what went wrong, and give the exit code."""
    code = exit_code_for_error(error)
    ours = error if isinstance(error, UnderstudyError) else None
    if isinstance(error, KeyboardInterrupt):
        kind, title, detail, remedy = "cancelled", "The command was cancelled", "Cancelled.", ""
    elif ours is not None:
        kind, title, detail, remedy = ours.type, ours.title, ours.message, ours.remedy
    else:
        kind, title = "internal", "Something went wrong inside the host"
        detail = f"This is a fault of understudy, not of your program: {type(error).__name__}: {error}"
        remedy = "Please report it with the lines above."
        if not as_json:
            traceback.print_exception(error)
    if as_json:
        problem = {"type": kind, "title": title, "detail": detail, "remedy": remedy, "exit_code": code}
        sys.stderr.write(json.dumps(problem) + "\n")
    else:
        complain(joined(_sentence(detail), remedy))
    return code


def _sentence(text: str) -> str:
    first = text.partition(" ")[0]
    return text[:1].upper() + text[1:] if first.isalpha() else text
