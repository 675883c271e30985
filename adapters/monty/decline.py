"""How the walk over the syntax tree ends where monty is not to be trusted."""

import ast

from host.interface import Refusal

__all__ = ["Decline"]


class Decline(Exception):
    """The construct, why monty is not given it, and what to do instead."""

    def __init__(self, node: ast.AST | None, what: str, why: str, remedy: str = "") -> None:
        super().__init__(what)
        self.line: int = getattr(node, "lineno", 0)
        self.what = what
        self.why = why
        self.remedy = remedy

    def refusal(self) -> Refusal:
        """The same as the host tells it."""
        where = f"line {self.line}: " if self.line else ""
        return Refusal(
            rule="monty-subset",
            reason=f"{where}{self.what}: {self.why}.",
            remedy=self.remedy or "Run it on an adapter with the real interpreter, such as sandbox.",
        )
