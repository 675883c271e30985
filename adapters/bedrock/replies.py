"""How a runner's answer is read from what a tool printed: in the thread that has read that, so that nobody waits."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from adapters.bedrock.orders import Beginning, beginning
from adapters.bedrock.tools import Said
from adapters.runner.answer import Answer, AnswerError, text_to_messages
from host.errors import AdapterError

__all__ = ["Reply", "feed", "lost", "reader"]

_MUCH = 500_000


class Reply(NamedTuple):
    """What a tool said, and the runner's answer in it.

    Attributes:
        said: all of it.
        found: the beginning of the answer, or None where there is none.
        messages: the runner's messages, where all of them came.
    """

    said: Said
    found: Beginning | None
    messages: bytes | None


def reader(word: str, most_bytes: int) -> Callable[[Said], Reply]:
    """What makes a reply of what a tool said.

    Args:
        word: what the answer is known by.
        most_bytes: more its messages do not hold.
    """

    def read(said: Said) -> Reply:
        found = beginning(said.stdout, word)
        whole = found is not None and len(found) >= found.size
        return Reply(said, found, _messages(found, most_bytes) if found is not None and whole else None)

    return read


async def feed(answer: Answer, reply: Reply, more: Callable[[int], Awaitable[str]]) -> None:
    """Feed an answer with a reply that has its beginning.

    Args:
        answer: takes the messages.
        reply: what was said.
        more: fetches what comes after so many characters; nothing where there is no more.

    Raises:
        AdapterError: it is not what a runner says, or the program could not be started.
    """
    messages = reply.messages
    if messages is None:
        assert reply.found is not None  # noqa: S101 - who calls has seen to that
        text = await _whole(reply.found, more)
        messages = await asyncio.to_thread(_messages, text, answer.most_bytes)
    try:
        answer.feed(messages)
    except AnswerError as error:
        raise lost(str(error)) from None
    if answer.trouble:
        raise AdapterError(f"The program could not be started: {answer.trouble}", may_have_started=False)


async def _whole(found: Beginning, more: Callable[[int], Awaitable[str]]) -> str:
    """What was not printed, or did not come through, is fetched piece by piece."""
    parts, have = [str(found)], len(found)
    while have < found.size:
        piece = await more(have)
        if not piece:
            raise lost(f"only {have} of {found.size} characters of the answer could be had")
        parts.append(piece)
        have += len(piece)
    return "".join(parts)


def _messages(text: str, most_bytes: int) -> bytes:
    try:
        return text_to_messages(text, most_bytes)
    except AnswerError as error:
        raise lost(str(error)) from None


def lost(reason: str) -> AdapterError:
    """A program was sent, and nobody can say how it ended."""
    return AdapterError(
        f"The program was sent to AWS, and {reason}.",
        remedy="It may have run. Its session was stopped.",
        may_have_started=True,
        lost=True,
    )
