"""JavaScript and TypeScript, parsed: the tree, its positions as JavaScript counts them, a walk that ends in time."""

import time
from collections.abc import Callable
from functools import cache

import tree_sitter
import tree_sitter_javascript
import tree_sitter_typescript

__all__ = ["KEY", "Positions", "error_place", "last_expression", "parsed", "unquoted", "visit"]

KEY = 'globalThis[Symbol.for("understudy")]'
"""Where code that was edited finds the guest."""

_CHUNK_BYTES = 1 << 16
_MAX_DEPTH = 1000
_QUOTES = "\"'"
_FUNCTIONS = frozenset(
    {
        "arrow_function",
        "class_body",
        "function_declaration",
        "function_expression",
        "generator_function",
        "generator_function_declaration",
        "method_definition",
    }
)


class Positions:
    """Turns byte offsets of the UTF-8 source into what JavaScript counts."""

    def __init__(self, code: str, source: bytes) -> None:
        self._ascii = len(code) == len(source)
        self._source = source

    def span(self, node: tree_sitter.Node) -> tuple[int, int]:
        return self.units(node.start_byte), self.units(node.end_byte)

    def units(self, offset: int, start: int = 0) -> int:
        if self._ascii:
            return offset - start
        return len(self._source[start:offset].decode("utf-8", "replace").encode("utf-16-le")) // 2

    def lines(self, start: int, end: int) -> int:
        """How many line breaks there are between two byte offsets."""
        return self._source.count(b"\n", start, end)

    def point(self, node: tree_sitter.Node) -> tuple[int, int]:
        """Line and column from 1."""
        row, column = node.start_point
        return row + 1, self.units(node.start_byte, node.start_byte - column) + 1


@cache
def _parser(language: str) -> tree_sitter.Parser:
    module = tree_sitter_typescript.language_typescript if language == "typescript" else tree_sitter_javascript.language
    return tree_sitter.Parser(tree_sitter.Language(module()))


def parsed(language: str, source: bytes, deadline: float) -> tree_sitter.Tree | None:
    """The tree, or None where it takes too long."""
    parser = _parser(language)
    try:
        return parser.parse(
            lambda offset, _: source[offset : offset + _CHUNK_BYTES],
            progress_callback=lambda _, __: time.monotonic() > deadline,
        )
    except ValueError:  # stopped
        parser.reset()
        return None


def visit(tree: tree_sitter.Tree, deadline: float, look: Callable[..., None]) -> bool:
    """Call ``look(node, inside)`` for every node, ``inside`` a function or not. False where it takes too long.

    By cursor and not by a query of tree-sitter's: a query takes the square of the depth, and cannot be stopped.
    """
    cursor = tree.walk()
    functions = 0
    steps = 0
    while True:
        steps += 1
        if steps % 1000 == 0 and time.monotonic() > deadline:
            return False
        node = cursor.node
        assert node is not None  # the cursor begins at the root and only goes where something is
        look(node, inside=functions > 0)
        if cursor.goto_first_child():
            functions += node.type in _FUNCTIONS
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return True
            functions -= cursor.node is not None and cursor.node.type in _FUNCTIONS


def last_expression(root: tree_sitter.Node) -> tree_sitter.Node | None:
    """The expression that a program ends with, or None where its last statement is another."""
    for index in range(root.child_count - 1, -1, -1):
        node = root.child(index)
        if node is None or node.type in ("comment", "empty_statement", "html_comment"):
            continue
        if node.type != "expression_statement" or node.has_error:
            return None
        return next((child for child in node.named_children if child.type != "comment"), None)
    return None


def unquoted(node: tree_sitter.Node) -> str:
    """The text of a string without its quotes."""
    return (node.text or b"").decode("utf-8", "replace").strip(_QUOTES)


def error_place(root: tree_sitter.Node, where: Positions) -> list[int] | None:
    """The first place that does not parse: down to the first child with an error, level by level."""
    node = root
    for _ in range(_MAX_DEPTH):
        if node.is_error or node.is_missing:
            return list(where.point(node))
        inner = next((child for child in node.children if child.has_error or child.is_missing), None)
        if inner is None:
            break
        node = inner
    return list(where.point(node))
