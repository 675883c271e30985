"""What a session is told: the command that runs one job, and how its answer is read from what the command printed."""

import base64
import json
import shlex

from adapters.bedrock.found import Home
from adapters.runner.job import Place
from host.errors import AdapterError
from host.policy import Policy

__all__ = ["FIRST", "MOST_INLINE", "Beginning", "beginning", "command", "held", "inline", "piece", "place", "tightened"]

MOST_INLINE = 90_000
"""Longer commands go through a file: a shell takes no argument of more than 128 KiB."""

FIRST = 2_000_000
"""Characters of an answer that are asked for at once; the service sends them twice in one event of 24 MiB at most."""

_KILL_AFTER_S = 5
_SPARE_S = 3  # for the runner, which ends the program itself
_OF_OUTPUT = 3  # as much of an answer is left to output as this part of it


def place(home: Home, answer_bytes: int) -> Place:
    """Where the runner runs. ``answer_bytes`` is 0 where its messages are read as they come."""
    return Place(
        guest=f"{home.root}/guest",
        runtime=f"{home.root}/runtime",
        work=f"{home.root}/work",
        temporary=f"{home.root}/tmp",  # noqa: S108 - over there
        machine=home.machine,
        text_bytes=answer_bytes,
        uid=home.uid,
    )


def tightened(policy: Policy, answer_bytes: int) -> Policy:
    """The policy with no more output than an answer can hold."""
    most = answer_bytes // _OF_OUTPUT
    if policy.max_output_bytes <= most:
        return policy
    return policy.model_copy(update={"max_output_bytes": most})


def inline(word: str, job: bytes) -> str | None:
    """Word and job as they go into the command itself, or None where they are too long for it."""
    text = base64.b64encode(word.encode() + b"\n" + job).decode()
    return text if len(text) <= MOST_INLINE else None


def command(home: Home, setup: str, policy: Policy, *, job: str | None, site: str | None, first: int = FIRST) -> str:
    """The command that runs a job.

    It becomes the runner, so that no shell is left for the program to find, and the runner has no environment.

    Args:
        home: where everything is.
        setup: the runner's argument.
        policy: how long it may take.
        job: what ``inline`` gave; None where the job is in the file ``job``.
        site: the folder of packages that the program may import.
        first: how much of the answer is printed.
    """
    order = {"setup": json.loads(setup), "job": None if job is not None else "job", "site": site, "first": first}
    seconds = -(-policy.max_execution_time // 1000) + _SPARE_S
    words = ["timeout", "-k", str(_KILL_AFTER_S), str(seconds), "env", "-i", *_python(home), "run", json.dumps(order)]
    text = f"exec {shlex.join(words)}"
    return f"{text} </dev/null" if job is None else f"{text} <<'END'\n{job}\nEND\n"


def held(home: Home, setup: str, *, site: str | None) -> list[str]:
    """The arguments that start a runner for a session."""
    return [*_python(home), "hold", json.dumps({"setup": json.loads(setup), "site": site})]


def piece(home: Home, offset: int, size: int) -> str:
    """The command that prints a piece of an answer."""
    return f"tail -c +{offset + 1} {shlex.quote(home.root + '/answer')} | head -c {size}"


def _python(home: Home) -> list[str]:
    return [home.program, "-I", "-S", "-X", "utf8", "-u", f"{home.root}/enter/enter.py"]


class Beginning(str):
    """The beginning of an answer. ``size`` is that of the whole."""

    size: int = 0


def beginning(printed: str, word: str) -> Beginning | None:
    """What the runner answered, or None where it did not.

    Args:
        printed: all that was printed; the program may have printed something too.
        word: what the answer is known by.

    Raises:
        AdapterError: the runner could not be started. Nothing of the caller's has run.
    """
    mark = f"understudy {word} "
    at = printed.rfind(mark)
    if at < 0:
        return None
    line, _, rest = printed[at + len(mark) :].partition("\n")
    kind, _, said = line.partition(" ")
    if kind == "trouble":
        raise AdapterError(f"The runner could not be started: {said[:300]}", may_have_started=False)
    found = Beginning(rest.strip())
    found.size = int(said) if said.isdecimal() else 0
    return found if kind == "ok" and found.size else None
