"""The programs of the conformance suite, as data."""

from host.testing.program import Program
from host.testing.programs import bash, displays, elixir, files, javascript, python, sql, values
from host.testing.programs.pairs import PAIRS, Pair

__all__ = ["PAIRS", "PROGRAMS", "Pair", "programs_for"]

PROGRAMS: tuple[Program, ...] = (
    *values.PROGRAMS,
    *python.PROGRAMS,
    *files.PROGRAMS,
    *displays.PROGRAMS,
    *javascript.PROGRAMS,
    *bash.PROGRAMS,
    *sql.PROGRAMS,
    *elixir.PROGRAMS,
)
"""All programs; names are unique within a language."""


def programs_for(language: str) -> tuple[Program, ...]:
    """The programs of one language."""
    return tuple(program for program in PROGRAMS if program.language == language)
