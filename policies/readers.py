"""The readers by language: code in, facts out. A reader and the parser behind it are imported when first needed."""

import importlib
import sys
from collections.abc import Callable
from typing import NamedTuple

from policies.facts import Facts

__all__ = ["READERS", "Reader", "is_loaded", "load", "read"]


class Reader(NamedTuple):
    """How one language is read.

    Attributes:
        module: the module with its ``read``.
        parsers: what that imports on first use and what takes long to import.
        inline_bytes: longer code is read in a worker process. Measured so that no code below it, however hostile, holds
            the event loop for more than some 30 ms; where the parser can be stopped, a budget holds it as well.
        noun: what a name in the import list stands for.
    """

    module: str
    parsers: tuple[str, ...]
    inline_bytes: int
    noun: str = "module"


READERS = {
    "bash": Reader("policies.bash", ("tree_sitter", "tree_sitter_bash"), 4096, "command"),
    "elixir": Reader("policies.elixir", ("tree_sitter", "tree_sitter_elixir"), 4096),
    "javascript": Reader("policies.javascript", ("tree_sitter", "tree_sitter_javascript"), 4096),
    "python": Reader("policies.python", (), 8192),
    "sql": Reader("policies.sql", ("sqlglot", "sqlglot.dialects.duckdb"), 1024),
    "typescript": Reader("policies.javascript", ("tree_sitter", "tree_sitter_typescript"), 4096),
}


def is_loaded(language: str) -> bool:
    """Whether reading it imports nothing more."""
    reader = READERS[language]
    return all(name in sys.modules for name in (reader.module, *reader.parsers))


def load(language: str) -> None:
    """Import what reading it needs."""
    reader = READERS[language]
    for name in (reader.module, *reader.parsers):
        importlib.import_module(name)


def read(code: str, language: str, budget_s: float | None) -> Facts:
    """The facts of code in one of the languages of ``READERS``.

    Args:
        code: its text.
        language: its proper name.
        budget_s: where the parser can be stopped, stop it after so long; None is in a worker, which has a deadline.

    Raises:
        NeedsWorkerError: there is a budget and it is not enough.
        TooComplexError: the parser gave up.
    """
    reader: Callable[..., Facts] = importlib.import_module(READERS[language].module).read
    if language == "python":
        return reader(code)
    if language in ("javascript", "typescript"):
        return reader(code, language, budget_s)
    return reader(code, budget_s)
