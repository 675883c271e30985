"""What the syntax tree says of code, before any policy is asked.

Plain tuples: they travel from the parsing worker as JSON.
"""

from enum import StrEnum
from typing import Any, NamedTuple

__all__ = ["Facts", "Mark", "NeedsWorkerError", "TooComplexError", "Use", "Weight", "words"]


class TooComplexError(Exception):
    """The parser gave up on the code, so nothing is known of it."""


class NeedsWorkerError(Exception):
    """Reading the code takes what only a parsing worker has: another parser, or a deeper stack."""


class Weight(StrEnum):
    """What a mark weighs where the policy has a list of imports, and where it has none."""

    REACH = "reach"
    """It reaches out of the program: deny, or warn."""
    TRICK = "trick"
    """A way around a list of imports: warn, or info."""
    NOTE = "note"
    """Worth knowing: info under both."""


class Use(NamedTuple):
    """A module (a command in Bash) that the code asks for by name, where it does so first.

    Where it asks for single members (``from xml import dom``), a policy that allows all of these as modules is enough.
    """

    name: str
    line: int
    column: int
    members: tuple[str, ...] = ()


class Mark(NamedTuple):
    """A construct that has a rule of its own."""

    rule: str
    weight: Weight
    line: int
    column: int
    message: str
    remedy: str = ""


class Facts(NamedTuple):
    """All that a language's reader finds.

    Attributes:
        uses: what the code imports, beyond what its language always gives.
        marks: constructs with a rule of their own.
        doubt: the first reason why its outputs may differ from run to run; "" if there is none.
        error: why it cannot be parsed; the rest is empty then.
    """

    uses: tuple[Use, ...] = ()
    marks: tuple[Mark, ...] = ()
    doubt: str = ""
    error: Mark | None = None

    @classmethod
    def from_json(cls, data: Any) -> "Facts":
        """The facts behind what ``json`` made of them."""
        uses, marks, doubt, error = data
        return cls(tuple(map(_use, uses)), tuple(map(_mark, marks)), doubt, None if error is None else _mark(error))


def _use(data: Any) -> Use:
    name, line, column, members = data
    return Use(name, line, column, tuple(members))


def _mark(data: Any) -> Mark:
    rule, weight, *rest = data
    return Mark(rule, Weight(weight), *rest)


def words(text: str) -> frozenset[str]:
    """A table of words, written as plain text."""
    return frozenset(text.split())
