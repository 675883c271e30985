"""Parsing with tree-sitter, for the languages that Python has no parser for.

The grammars are generated C with hand-written scanners, and some crash on a few odd bytes. So they only ever run in
the parsing worker, never in the host.
"""

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from policies.facts import Mark, Weight

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

__all__ = ["first_error", "parse", "place", "text", "walk"]


@cache
def _parser(language: str) -> "Parser":
    import tree_sitter

    if language == "bash":
        import tree_sitter_bash

        grammar = tree_sitter_bash.language()
    elif language == "elixir":
        import tree_sitter_elixir

        grammar = tree_sitter_elixir.language()
    elif language == "javascript":
        import tree_sitter_javascript

        grammar = tree_sitter_javascript.language()
    else:
        import tree_sitter_typescript

        grammar = tree_sitter_typescript.language_typescript()
    return tree_sitter.Parser(tree_sitter.Language(grammar))


def parse(source: bytes, language: str) -> "Node":
    """The root of the syntax tree of UTF-8 ``source``. There always is one; what fits no rule is in it as an error."""
    return _parser(language).parse(source).root_node


def walk(root: "Node") -> Iterator["Node"]:
    """Every node that has a name in the grammar, in the order of the text."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        if node.named_child_count:
            stack.extend(reversed(node.named_children))


def text(node: "Node | None") -> str:
    """The source text of a node; "" for none."""
    return node.text.decode("utf-8", "replace") if node is not None and node.text is not None else ""


def place(node: "Node") -> tuple[int, int]:
    """Line from 1 and byte offset in the line."""
    return node.start_point[0] + 1, node.start_point[1]


def first_error(root: "Node", source: bytes) -> Mark | None:
    """Where the text first breaks the grammar, or None."""
    if not root.has_error:
        return None
    node, found = root, True
    while found and not (node.is_error or node.is_missing):
        found = False
        for child in node.children:
            if child.has_error or child.is_error or child.is_missing:
                node, found = child, True
                break
    line, offset = place(node)
    row = source.split(b"\n")[line - 1] if source else b""
    column = len(row[:offset].decode("utf-8", "replace")) + 1
    if node.is_missing:
        message = f"SyntaxError: `{node.type}` is missing"
    else:
        shown = text(node).strip().partition("\n")[0][:40]
        message = f"SyntaxError: unexpected `{shown}`" if shown else "SyntaxError: the program is cut off"
    return Mark("syntax-error", Weight.NOTE, line, column, message)
