"""Whole commands from whoever writes them: a person at a terminal, with history, or a pipe."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from host.cli.completeness import goes_on
from host.cli.errors import UsageError

__all__ = ["commands"]

_FIRST, _MORE = ">>> ", "... "
_REMEMBERED = 1000


def commands(language: str, *, most_chars: int, history: Path) -> Iterator[str]:
    """Commands, each one or several lines; what begins with a colon is for the loop itself.

    At a terminal Ctrl-C drops what is typed, and Ctrl-D ends. A command longer than ``most_chars`` is given as it is.

    Args:
        language: decides what is a whole command.
        most_chars: beyond that nothing more is added to a command.
        history: where what was typed is remembered, for the user alone.

    Raises:
        UsageError: the pipe holds something else than UTF-8.
    """
    return _typed(language, most_chars, history) if sys.stdin.isatty() else _piped(language, most_chars)


def _typed(language: str, most_chars: int, history: Path) -> Iterator[str]:
    with _remembered(history):
        lines: list[str] = []
        while True:
            try:
                lines.append(input(_MORE if lines else _FIRST))
            except KeyboardInterrupt:
                sys.stdout.write("\n")
                lines.clear()
                continue
            except EOFError:
                sys.stdout.write("\n")
                return
            text = "\n".join(lines)
            if not text.startswith(":") and len(text) <= most_chars and goes_on(text, language, typed=True):
                continue
            lines.clear()
            if text.strip():
                yield text


def _piped(language: str, most_chars: int) -> Iterator[str]:
    text = ""
    lines = _lines()
    line = next(lines, None)
    while line is not None:
        following = next(lines, None)
        text = f"{text}\n{line}" if text else line
        whole = text.startswith(":") or following is None or len(text) > most_chars
        if whole or not goes_on(text, language, following, typed=False):
            if text.strip():
                yield text
            text = ""
        line = following


def _lines() -> Iterator[str]:
    for raw in sys.stdin.buffer:
        try:
            yield raw.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise UsageError("stdin is not UTF-8.", remedy="Write the commands as UTF-8.") from None


@contextlib.contextmanager
def _remembered(history: Path) -> Iterator[None]:
    """Line editing and a history that lasts, where this Python has them."""
    readline: Any
    try:
        import readline
    except ImportError:
        yield
        return
    with contextlib.suppress(OSError):
        readline.read_history_file(history)
    readline.set_history_length(_REMEMBERED)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            history.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            history.touch(mode=0o600)
            readline.write_history_file(history)
            readline.clear_history()
