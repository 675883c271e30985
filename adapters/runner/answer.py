"""What a runner says: read as it comes, capped, and gathered into the facts about a run.

The runner is ours, but it runs where we cannot see it, so it is trusted with no more than saying how a run went.
"""

import base64
import binascii
import codecs
import json
import zlib
from typing import Any, Literal

from adapters.guest.reports import GuestReport, ReportEvent, ReportReader, read_text_report
from adapters.runner.budget import REPORT_ALLOWANCE, Budget
from adapters.runner.ended import Cause, Ended
from adapters.runner.takeout import Takeout
from host.displays import Display
from host.interface import DisplayEvent, Emit, OutputEvent
from host.policy import FileSystemAccess, Policy

__all__ = ["Answer", "AnswerError", "text_to_messages"]

_HEAD = 9
_ENVELOPE_BYTES = 64 << 10
_KINDS = frozenset("RWXBoerEFSD")


class AnswerError(ValueError):
    """What came is not what a runner says."""


def text_to_messages(line: str, most_bytes: int) -> bytes:
    """The messages in one line of text.

    Raises:
        AnswerError: it is not such a line, or holds more than ``most_bytes``.
    """
    try:
        stream = zlib.decompressobj()
        messages = stream.decompress(base64.b64decode(line.strip(), validate=True), most_bytes)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise AnswerError(f"the answer cannot be read: {error}") from None
    if not stream.eof:
        raise AnswerError("the answer is cut short" if not stream.unconsumed_tail else "the answer is too long")
    return messages


class _Output:
    """One of the program's output streams, decoded as it comes."""

    def __init__(self, stream: Literal["stdout", "stderr"], budget: Budget, emit: Emit) -> None:
        self._stream = stream
        self._budget = budget
        self._emit = emit
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._parts: list[str] = []
        self.bytes = 0

    @property
    def text(self) -> str:
        return "".join(self._parts)

    def take(self, data: bytes, *, final: bool = False) -> None:
        data = data[: self._budget.take(len(data))]
        self.bytes += len(data)
        text = self._decoder.decode(data, final)
        if text:
            self._parts.append(text)
            self._emit(OutputEvent(self._stream, text))


class Answer:
    """The answer to one job, or to one command of a session.

    Args:
        policy: what the run may put out.
        emit: is told of output and displays as they come.
        is_text: whether reports are the bare text of the value.

    Attributes:
        ready: a runner waits for its job.
        waits: a guest waits for the second part of it.
        begun: the program may have started.
        over: nothing more comes.
        alive: after a command, whether its interpreter lives on.
        trouble: why the program could not be started, or "".
    """

    def __init__(self, policy: Policy, emit: Emit, *, is_text: bool = False) -> None:
        takes_out = policy.file_system_access is FileSystemAccess.SANDBOXED
        self._takeout = Takeout(policy.max_files, policy.max_file_bytes) if takes_out else Takeout()
        self._most = max(policy.max_output_bytes, policy.max_file_bytes) + _ENVELOPE_BYTES
        self._budget = Budget(policy.max_output_bytes, _nothing)
        self._stdout = _Output("stdout", self._budget, emit)
        self._stderr = _Output("stderr", self._budget, emit)
        self._emit = emit
        self._is_text = is_text
        self._reader = ReportReader(policy.max_output_bytes)
        self._reported = bytearray()
        self._report_bytes = 0
        self._done_before: GuestReport | None = None
        self._buffer = bytearray()
        self._facts: dict[str, Any] = {}
        self.ready = self.waits = self.begun = self.over = self.alive = False
        self.trouble = ""

    @property
    def most_bytes(self) -> int:
        """More than this no answer holds: what a run may put out, and the heads of messages."""
        return 4 * self._most

    @property
    def has_ended(self) -> bool:
        """Whether the runner has said how the program ended."""
        return bool(self._facts)

    def feed(self, data: bytes) -> None:
        """Take in what came.

        Raises:
            AnswerError: it is not what a runner says.
        """
        self._buffer += data
        while len(self._buffer) >= _HEAD:
            kind, length = chr(self._buffer[0]), int.from_bytes(self._buffer[1:_HEAD], "big")
            if kind not in _KINDS or length > self._most:
                raise AnswerError(f"a message of kind {kind!a} and {length} bytes is none of a runner's")
            if len(self._buffer) < _HEAD + length:
                return
            body = bytes(memoryview(self._buffer)[_HEAD : _HEAD + length])
            del self._buffer[: _HEAD + length]
            self._take(kind, body)

    def ended(self, cause: Cause | None = None) -> Ended:
        """The facts about the run.

        Args:
            cause: why the host ended it, where it did.
        """
        if not self._budget.exceeded:
            self._stdout.take(b"", final=True)
            self._stderr.take(b"", final=True)
        facts = self._facts
        said = facts.get("cause")
        cause = cause or (Cause(said) if said in set(Cause) else None)
        ended = Ended(
            cause=cause,
            stdout=self._stdout.text,
            stderr=self._stderr.text,
            truncated=self._budget.exceeded or cause is Cause.OUTPUT,
            wall_ms=_number(facts, "wall_us") / 1000,
            output_bytes=self._stdout.bytes + self._stderr.bytes + self._report_bytes,
        )
        ended.report = self._report()
        ended.files, ended.skipped = tuple(self._takeout.files), tuple(self._takeout.skipped)
        ended.trouble = self.trouble
        if facts:
            ended.exit_code = None if facts.get("exit_code") is None else _number(facts, "exit_code")
            ended.signal = _number(facts, "signal") or None
            ended.ran_out_of_memory = facts.get("out_of_memory") is True
            ended.cpu_ms = _number(facts, "cpu_us") / 1000
            ended.peak_memory_bytes = _number(facts, "peak_bytes")
        return ended

    def _take(self, kind: str, body: bytes) -> None:
        match kind:
            case "o":
                self._stdout.take(body)
            case "e":
                self._stderr.take(body)
            case "r":
                self._take_report(body)
            case "R":
                self.ready = True
            case "W":
                self.waits = True
            case "B":
                self.begun = True
            case "E":
                self._facts = _parsed(body)
                self.alive = self._facts.get("alive") is True
            case "F":
                self._takeout.take(body)
            case "S":
                self._takeout.skip(body.decode("utf-8", "replace"))
            case "X":
                self.trouble = body.decode("utf-8", "replace") or "the runner gave no reason"
                self.over = True
            case "D":
                self.over = True

    def _take_report(self, body: bytes) -> None:
        free = max(0, min(len(body), REPORT_ALLOWANCE - self._report_bytes))
        body = body[: free + self._budget.take(len(body) - free)]
        self._report_bytes += len(body)
        if self._is_text:
            self._reported += body
            return
        for event in self._reader.feed(body):
            self._tell(event)

    def _tell(self, event: ReportEvent) -> None:
        if isinstance(event, Display):
            self._emit(DisplayEvent(event))
        elif hasattr(event, "report"):
            self._done_before = self._done_before or event.report

    def _report(self) -> GuestReport:
        if self._is_text:
            return read_text_report(bytes(self._reported))
        return self._done_before or self._reader.finish()


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        facts = json.loads(body)
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise AnswerError("the runner's word of the end is no JSON object")
    return facts


def _number(facts: dict[str, Any], name: str) -> int:
    value = facts.get(name)
    return value if type(value) is int and 0 <= value < 1 << 62 else 0


def _nothing() -> None:
    """The runner has ended it already."""
