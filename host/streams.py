"""What a run does, as numbered events: kept while it runs, for as many followers as want them.

The number of an event never changes and no event is ever left out, so that whoever has seen event n can ask for those
after it. A stream costs the program nothing: a follower that is slow reads later, from the same list. The list is
bounded, because output is (the policy's ``max_output_bytes``) and because pieces that come close together are put into
one.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from host.errors import SequenceAhead, UnknownExecution
from host.interface import DisplayEvent, OutputEvent
from host.models import ExecutionRequest, ExecutionResult
from host.policy import Policy

__all__ = ["FinishedEvent", "StartedEvent", "Stream", "StreamEvent"]

_PIECE_CHARS = 1 << 16
_EVENT_BYTES = 250
"""What an event takes in memory beside its text."""


@dataclass(frozen=True, slots=True)
class StartedEvent:
    """The adapter has the program."""

    id: str
    adapter: str
    language: str
    policy: str


@dataclass(frozen=True, slots=True)
class FinishedEvent:
    """The end, recorded."""

    result: ExecutionResult


class StreamEvent(NamedTuple):
    """One event of a run and its number. The numbers of a stream are 1, 2, 3 and so on."""

    seq: int
    event: StartedEvent | OutputEvent | DisplayEvent | FinishedEvent

    @property
    def name(self) -> Literal["started", "stdout", "stderr", "display", "result"]:
        """What it is called outside of Python."""
        match self.event:
            case StartedEvent():
                return "started"
            case OutputEvent(stream=stream):
                return stream
            case DisplayEvent():
                return "display"
            case FinishedEvent():
                return "result"

    def json(self) -> str:
        """What it says, as a JSON object on one line."""
        match self.event:
            case StartedEvent(id=execution_id, adapter=adapter, language=language, policy=policy):
                return json.dumps({"id": execution_id, "adapter": adapter, "language": language, "policy": policy})
            case OutputEvent(text=text):
                return json.dumps({"text": text})
            case DisplayEvent(display=display):
                return display.model_dump_json()
            case FinishedEvent(result=result):
                return result.model_dump_json()


class Stream:
    """The events of one run. Everything is called on the event loop.

    Args:
        execution_id: of the run.
        window_s: output that comes within this time of earlier output waits, and is then one piece with what follows.
        on_end: called once, when nothing more will come.

    Attributes:
        on_audience: called with how many follow, whenever that changes.
    """

    def __init__(self, execution_id: str, window_s: float, on_end: "Callable[[Stream], None]") -> None:
        self.id = execution_id
        self.on_audience: Callable[[int], None] | None = None
        self.ended = False
        self._window_s = window_s
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._events: list[StreamEvent] = []
        self._left = 0
        self._passed = {"stdout": 0, "stderr": 0}
        self._shown = 0
        self._pending: dict[Literal["stdout", "stderr"], list[str]] = {}
        self._pending_chars = 0
        self._next_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: set[asyncio.Future[None]] = set()
        self._followers = 0
        self._error: Exception | None = None

    # --- what happens -------------------------------------------------------------------------------------------------

    def start(self, request: ExecutionRequest, policy: Policy, adapter: str) -> None:
        """The adapter is about to have the program."""
        self._left = policy.max_output_bytes
        self._add(StartedEvent(request.id, adapter, request.language, policy.name))
        self._wake()

    def take(self, event: OutputEvent | DisplayEvent) -> None:
        """An ``Emit``. What comes after the end is dropped: the result is the last event."""
        if self.ended:
            return
        if isinstance(event, DisplayEvent):
            self._shown += 1
            self._seal()
            self._add(event)
            self._wake()
        elif event.text and self._left > 0:  # as much as the host keeps of a run that is cut off
            self._left -= len(event.text)
            self._hold(event.stream, event.text)

    def finish(self, result: ExecutionResult) -> None:
        """The run has its record. What never came as an event comes now, then the result."""
        if self.ended:
            return
        self._hold("stdout", result.stdout[self._passed["stdout"] :])
        self._hold("stderr", result.stderr[self._passed["stderr"] :])
        self._seal()
        for display in result.displays[self._shown :]:
            self._add(DisplayEvent(display))
        self._add(FinishedEvent(result))
        self._end()

    def fail(self, error: BaseException) -> None:
        """There is no record, and no result."""
        if self.ended:
            return
        if not isinstance(error, Exception):  # who asked for it went away before it was accepted
            error = UnknownExecution(f"execution {self.id!r} was withdrawn before it was accepted.")
        self._seal()
        self._error = error
        self._end()

    # --- who follows --------------------------------------------------------------------------------------------------

    async def follow(self, after: int = 0) -> AsyncGenerator[StreamEvent, None]:
        """The events after the one with that number, to the last.

        Raises:
            SequenceAhead: the stream has not come as far as ``after``.
            Exception: what ended the run without a result.
        """
        if after > len(self._events):
            raise SequenceAhead(
                f"the stream of {self.id!r} has come to event {len(self._events)}, not to {after}.",
                remedy="Ask with the number of the last event that came.",
            )
        self._count(+1)
        try:
            while True:
                while after < len(self._events):
                    yield self._events[after]
                    after += 1
                if self.ended:
                    break
                await self._news()
        finally:
            self._count(-1)
        if self._error is not None:
            raise self._error

    @property
    def started(self) -> bool:
        """Whether there was anything to tell."""
        return bool(self._events)

    @property
    def size_bytes(self) -> int:
        """About how much memory it holds, once it has ended."""
        size = _EVENT_BYTES * len(self._events)
        for _, event in self._events:
            match event:
                case OutputEvent(text=text):
                    size += 2 * len(text)  # here and in the result
                case DisplayEvent(display=display):
                    size += display.characters
                case FinishedEvent(result=result):
                    size += (result.usage.output_bytes or 0) + sum(len(file.content) for file in result.files)
        return size

    # --- inside -------------------------------------------------------------------------------------------------------

    def _hold(self, stream: Literal["stdout", "stderr"], text: str) -> None:
        """Output waits for what follows at once; the first after a pause does not."""
        if not text:
            return
        self._passed[stream] += len(text)
        self._pending.setdefault(stream, []).append(text)
        self._pending_chars += len(text)
        if self._pending_chars >= _PIECE_CHARS:
            self._seal()
        elif self._timer is None:
            if self._loop.time() >= self._next_at:
                self._seal()
            else:
                self._timer = self._loop.call_at(self._next_at, self._seal)

    def _seal(self) -> None:
        """What waits gets its numbers."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._pending:
            return
        for stream, parts in self._pending.items():
            text = "".join(parts)
            for start in range(0, len(text), _PIECE_CHARS):
                self._add(OutputEvent(stream, text[start : start + _PIECE_CHARS]))
        self._pending = {}
        self._pending_chars = 0
        self._next_at = self._loop.time() + self._window_s
        self._wake()

    def _add(self, event: StartedEvent | OutputEvent | DisplayEvent | FinishedEvent) -> None:
        self._events.append(StreamEvent(len(self._events) + 1, event))

    def _end(self) -> None:
        self.ended = True
        self._wake()
        self._on_end(self)

    def _wake(self) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        self._waiting.clear()

    async def _news(self) -> None:
        waiting = self._loop.create_future()
        self._waiting.add(waiting)
        try:
            await waiting
        finally:
            self._waiting.discard(waiting)

    def _count(self, change: int) -> None:
        self._followers += change
        if self.on_audience is not None:
            self.on_audience(self._followers)
