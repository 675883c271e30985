"""A program made ready for monty: walked over, and its last expression given a name."""

import ast
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from keyword import iskeyword
from typing import Any

from adapters.monty.crossing import LAST, check_text
from adapters.monty.decline import Decline
from adapters.monty.screen import parse, screen

__all__ = ["Prepared", "plain_names", "prepare"]

_OWN_NAMES = ("inputs", "result")


@dataclass(frozen=True, slots=True)
class Prepared:
    """What monty is given.

    Attributes:
        code: the program; its lines are where the caller has them.
        expressions: what to ask for the value, in this order, until one is bound. Empty where there is no value.
    """

    code: str
    expressions: tuple[str, ...]


@lru_cache(maxsize=256)
def prepare(code: str, names: frozenset[str], allowed_imports: tuple[str, ...] | None) -> Prepared | Decline:
    """The program for monty, or why it is not given it. Remembered, since the choice and the run both ask.

    Args:
        code: as the caller wrote it.
        names: the plain names of the inputs.
        allowed_imports: the policy's.
    """
    code = code.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    try:
        if "\f" in code:
            raise Decline(None, "a form feed in the code", "lines are counted differently")
        check_text(code, "the code")
        tree = parse(code)
        screen(tree, names, allowed_imports)
    except Decline as declined:
        return declined.with_traceback(None)
    assigns = any(isinstance(n, ast.Name) and n.id == "result" and isinstance(n.ctx, ast.Store) for n in ast.walk(tree))
    last = tree.body[-1] if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    expressions = (*(("result",) if assigns else ()), *((LAST,) if last else ()))
    return Prepared(_named(code, last) if last else code, expressions)


def plain_names(inputs: dict[str, Any]) -> dict[str, Any]:
    """The inputs that the program sees as plain names, as the Python guest has it.

    Raises:
        Decline: a name that Python would spell differently.
    """
    names = {
        name: value
        for name, value in inputs.items()
        if name.isidentifier()
        and not iskeyword(name)
        and name not in _OWN_NAMES
        and not (name[:2] == "__" and name[-2:] == "__")
    }
    for name in names:
        if unicodedata.normalize("NFKC", name) != name:
            raise Decline(None, f"the input `{name}`", "Python spells the name in another way")
    return names


def _named(code: str, last: ast.Expr) -> str:
    """The code with the last expression in brackets behind a name, on the lines that it is on."""
    lines = code.encode("utf-8").split(b"\n")
    first_line, end_line = last.lineno - 1, (last.end_lineno or last.lineno) - 1
    end = last.end_col_offset or 0
    lines[end_line] = lines[end_line][:end] + b")" + lines[end_line][end:]
    start = last.col_offset
    lines[first_line] = lines[first_line][:start] + f"{LAST} = (".encode() + lines[first_line][start:]
    return b"\n".join(lines).decode("utf-8")
