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
        parsers: what takes long to import, or may not be imported any more once a worker has shut itself in.
        inline_bytes: longer code is read in a worker process. For Python and SQL measured so that no code below it,
            however hostile, holds the event loop for more than some 30 ms. The other grammars are native code that can
            crash, so they always run in a worker.
        noun: what a name in the import list stands for.
    """

    module: str
    parsers: tuple[str, ...]
    inline_bytes: int = -1
    noun: str = "module"


READERS = {
    "bash": Reader("policies.bash", ("tree_sitter", "tree_sitter_bash"), noun="command"),
    "elixir": Reader("policies.elixir", ("tree_sitter", "tree_sitter_elixir")),
    "javascript": Reader("policies.javascript", ("tree_sitter", "tree_sitter_javascript")),
    "python": Reader("policies.python", (), inline_bytes=8192),
    "sql": Reader("policies.sql", ("sqlglot", "sqlglot.dialects.duckdb"), inline_bytes=1024),
    "typescript": Reader("policies.javascript", ("tree_sitter", "tree_sitter_typescript")),
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


def read(code: str, language: str, *, in_worker: bool) -> Facts:
    """The facts of code in one of the languages of ``READERS``.

    Args:
        code: its text.
        language: its proper name.
        in_worker: whether this is the process where native parsers may run.

    Raises:
        NeedsWorkerError: it can only be read in a worker.
        TooComplexError: the parser gave up.
    """
    reader: Callable[..., Facts] = importlib.import_module(READERS[language].module).read
    if language == "sql":
        return reader(code, in_worker=in_worker)
    if language in ("javascript", "typescript"):
        return reader(code, language)
    return reader(code)
