"""What the host tells the JavaScript guest about the caller's code: facts read off its syntax tree, nothing run.

JavaScript has no parser that a program can reach, and the guest has to know three things before it starts the code:
whether it is a script or a module, where its last expression stands, and which modules it names. tree-sitter, which is
C and takes about half a millisecond per KB, tells all three. Offsets count UTF-16 code units, as JavaScript strings do.

The guest applies the edits to the text. None of them adds or removes a line, and the guest maps columns back in what it
reports.
"""

from functools import cache
from typing import Any

import tree_sitter
import tree_sitter_javascript
import tree_sitter_typescript

__all__ = ["LAST", "WORK_FOLDER", "shape"]

LAST = 'globalThis[Symbol.for("understudy")].last='
"""What stands before the last expression of a module, which has no completion value as a script has."""

WORK_FOLDER = "$cwd/"
"""An edit with this text stands for the address of the work folder, which the guest alone knows."""

_MAX_BYTES = 128 * 1024
"""Longer code is not parsed here; then the guest finds out by trying."""

_QUOTES = "\"'"
_FUNCTIONS = frozenset(
    {
        "arrow_function",
        "class_static_block",
        "field_definition",
        "function_declaration",
        "function_expression",
        "generator_function",
        "generator_function_declaration",
        "method_definition",
        "public_field_definition",
    }
)
_QUERY = """
(await_expression) @await
(for_in_statement "await") @await
((identifier) @await (#eq? @await "await"))
(import_statement source: (string) @module)
(export_statement source: (string) @module)
(call_expression function: (import) arguments: (arguments . (string) @dynamic))
(member_expression object: (meta_property) property: (property_identifier) @property (#eq? @property "main")) @main
(meta_property) @importmeta
(ERROR) @error
"""
_NAMES = ("await", "import", "export")

_BUILTINS = frozenset(
    """assert assert/strict async_hooks buffer child_process cluster console constants crypto dgram diagnostics_channel
    dns dns/promises domain events fs fs/promises http http2 https inspector module net os path path/posix path/win32
    perf_hooks process punycode querystring readline readline/promises repl stream stream/consumers stream/promises
    stream/web string_decoder sys timers timers/promises tls tty url util util/types v8 vm wasi worker_threads
    zlib""".split()  # noqa: SIM905 - fifty quoted names would be harder to read
)


def shape(code: str, language: str) -> dict[str, Any]:
    """The facts about ``code``, as the request frame carries them.

    Returns:
        ``mode``: "script"; "async" (a script with ``await`` at its top level); "module" (imports or exports;
        TypeScript always); "" where the code is too long to parse here.
        ``value``: whether its last statement is an expression, so that its value counts.
        ``edits``: ``[start, end, text]`` in order: the last expression of what is not a script, module names that
        would not resolve, ``import.meta.main``.
        ``imports``: ``[name, line, column]`` for each module that an import names.
        ``error``: ``[line, column]`` of the first thing that does not parse, or null.
    """
    source = code.encode("utf-8")
    if len(source) > _MAX_BYTES:
        return {"mode": "", "value": True, "edits": [], "imports": [], "error": None}
    parser, query = _grammar(language)
    root = parser.parse(source).root_node
    found = _captures(query, root, source)
    mode = _mode(found, root, language)
    where = _Positions(code, source)
    last = _last_expression(root)
    edits = [edit for node in found.get("module", []) + found.get("dynamic", []) if (edit := _absolute(node, where))]
    edits += [[*where.span(node), "true".ljust(len("import.meta.main"))] for node in found.get("main", [])]
    if last is not None and mode != "script":
        start, end = where.span(last)
        edits += [[start, start, LAST + "("], [end, end, ")"]]
    return {
        "mode": mode,
        "value": last is not None,
        "edits": sorted(edits, key=lambda edit: (edit[0], edit[1])),
        "imports": [
            [_unquoted(node), *where.point(node)] for kind in ("module", "dynamic") for node in found.get(kind, [])
        ],
        "error": _error(found, root, where),
    }


class _Positions:
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

    def point(self, node: tree_sitter.Node) -> tuple[int, int]:
        """Line and column from 1."""
        row, column = node.start_point
        return row + 1, self.units(node.start_byte, node.start_byte - column) + 1


@cache
def _grammar(language: str) -> tuple[tree_sitter.Parser, tree_sitter.Query]:
    module = tree_sitter_typescript.language_typescript if language == "typescript" else tree_sitter_javascript.language
    grammar = tree_sitter.Language(module())
    return tree_sitter.Parser(grammar), tree_sitter.Query(grammar, _QUERY)


def _captures(query: tree_sitter.Query, root: tree_sitter.Node, source: bytes) -> dict[str, list[tree_sitter.Node]]:
    if not root.has_error and not any(name.encode() in source for name in _NAMES):
        return {}
    return tree_sitter.QueryCursor(query).captures(root)


def _mode(found: dict[str, list[tree_sitter.Node]], root: tree_sitter.Node, language: str) -> str:
    if language == "typescript" or "importmeta" in found:
        return "module"
    if any(child.type in ("import_statement", "export_statement") for child in root.children):
        return "module"
    return "async" if any(_at_top_level(node) for node in found.get("await", [])) else "script"


def _at_top_level(node: tree_sitter.Node) -> bool:
    above = node.parent
    while above is not None:
        if above.type in _FUNCTIONS:
            return False
        above = above.parent
    return True


def _last_expression(root: tree_sitter.Node) -> tree_sitter.Node | None:
    for index in range(root.child_count - 1, -1, -1):
        node = root.child(index)
        if node is None or node.type in ("comment", "empty_statement", "html_comment"):
            continue
        if node.type != "expression_statement" or node.has_error:
            return None
        return next((child for child in node.named_children if child.type != "comment"), None)
    return None


def _absolute(node: tree_sitter.Node, where: _Positions) -> list[Any] | None:
    """The edit for a module name that would not resolve from where the guest loads the code; None where it does.

    Built-in modules get the ``node:`` that node itself lets one leave out; a relative path starts at the work folder.
    """
    name = _unquoted(node)
    start = where.span(node)[0] + 1
    if name in _BUILTINS:
        return [start, start, "node:"]
    if name.startswith(("./", "../")):
        return [start, start, WORK_FOLDER]
    return None


def _unquoted(node: tree_sitter.Node) -> str:
    return (node.text or b"").decode("utf-8", "replace").strip(_QUOTES)


def _error(found: dict[str, list[tree_sitter.Node]], root: tree_sitter.Node, where: _Positions) -> list[int] | None:
    if not root.has_error:
        return None
    errors = found.get("error", [])
    first = min(errors, key=lambda node: node.start_byte) if errors else None
    return list(where.point(first)) if first is not None else None
