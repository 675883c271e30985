"""A program as data: what runs, within which limits, and what must be true of its result."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from host.models import ExecutionRequest, ExecutionResult, File, Status
from host.policy import Limits

__all__ = ["UNSAID", "Program", "same"]


class _Unsaid:
    def __repr__(self) -> str:
        return "UNSAID"


UNSAID = _Unsaid()
"""Stands where a program says nothing of its value; None is a value."""


@dataclass(frozen=True)
class Program:
    """One program and what an adapter must make of it.

    Attributes:
        name: kebab-case, unique within its language.
        language: as in requests.
        code: what runs.
        proves: the fact that holds when it passes.
        inputs: values that travel beside the code.
        files: what the work folder holds at the start, path to bytes; then the adapter must move files.
        limits: below the suite's policy, as fields of ``Limits``.
        needs: policy fields that the adapter must hold at level ``guest`` or ``wall`` for the case to mean anything.
        moves_files: true where the case looks at files that come out.
        status: the statuses that are right.
        value: the value, compared type by type; UNSAID where any will do.
        stdout: the whole of it, or None where any will do.
        shows: pieces of stdout and stderr together that must be there.
        hides: pieces of stdout, stderr and reason that must not be there.
        says: words of the reason, in lower case; any one is enough.
        exit_code: the exit code, or None where any will do.
        signal: the signal, or None where any will do.
        truncated: whether output was cut, or None where either will do.
        also: one more look at the result; it returns what is wrong, or None.
    """

    name: str
    language: str
    code: str
    proves: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    moves_files: bool = False
    status: tuple[Status, ...] = (Status.SUCCEEDED,)
    value: Any = UNSAID
    stdout: str | None = None
    shows: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    exit_code: int | None = None
    signal: str | None = None
    truncated: bool | None = None
    also: Callable[[ExecutionResult], str | None] | None = None

    @property
    def id(self) -> str:
        return f"{self.language}-{self.name}"

    def request(self, policy: str) -> ExecutionRequest:
        """A request for it, new at each call."""
        return ExecutionRequest(
            code=self.code,
            language=self.language,
            inputs=dict(self.inputs),
            files=tuple(File(path=path, content=content) for path, content in self.files.items()),
            limits=Limits(**self.limits),
            policy=policy,
        )

    def complaints(self, result: ExecutionResult) -> list[str]:
        """What is wrong with ``result``; empty where all is right."""
        return [*self._end(result), *self._output(result)]

    def _end(self, result: ExecutionResult) -> list[str]:
        wrong = []
        if result.status not in self.status:
            wrong.append(f"status is {result.status}, expected {' or '.join(self.status)}; reason: {result.reason}")
        if self.says and not any(word in result.reason.lower() for word in self.says):
            wrong.append(f"the reason {result.reason!r} has none of the words {', '.join(self.says)}")
        for name in ("exit_code", "signal", "truncated"):
            expected, seen = getattr(self, name), getattr(result, name)
            if expected is not None and seen != expected:
                wrong.append(f"{name} is {seen!r}, expected {expected!r}")
        if self.also is not None and (complaint := self.also(result)):
            wrong.append(complaint)
        return wrong

    def _output(self, result: ExecutionResult) -> list[str]:
        wrong = []
        if self.value is not UNSAID and not same(self.value, result.value):
            wrong.append(f"value is {_short(result.value)}, expected {_short(self.value)}")
        if self.stdout is not None and result.stdout != self.stdout:
            wrong.append(f"stdout is {_short(result.stdout)}, expected {_short(self.stdout)}")
        output = result.stdout + result.stderr
        wrong += [f"{piece!r} is missing from the output" for piece in self.shows if piece not in output]
        wrong += [f"{piece!r} is in the output" for piece in self.hides if piece in output + result.reason]
        if wrong:
            wrong.append(f"stdout: {_short(result.stdout)} stderr: {_short(result.stderr)}")
        return wrong


def same(left: Any, right: Any) -> bool:
    """Equal in type as well as in value, at every depth. NaN is the same as NaN; a tuple travels as a list."""
    if isinstance(left, tuple):
        left = list(left)
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return (math.isnan(left) and math.isnan(right)) or (
            left == right and math.copysign(1, left) == math.copysign(1, right)
        )
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, Decimal | datetime):  # 1.10 is not 1.1 here, NaN is NaN, and an offset is part of a time
        return str(left) == str(right)
    return bool(left == right)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 600 else f"{text[:300]} ... {text[-300:]}"
