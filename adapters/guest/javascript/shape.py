"""What the host tells the JavaScript guest about the caller's code: facts read off its syntax tree, nothing run.

JavaScript has no parser that a program can reach, and the guest has to know three things before it starts the code:
whether it is a script or a module, where its last expression stands, and which modules it names. tree-sitter, which is
C and takes about half a millisecond per KB, tells all three. Offsets count UTF-16 code units, as JavaScript strings do.

The guest applies the edits to the text. None of them adds or removes a line, and the guest maps columns back in what it
reports.
"""

import time
from dataclasses import dataclass, field
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

_MAX_SECONDS = 0.2
_CHUNK_BYTES = 1 << 16
_MAX_DEPTH = 1000

_UNKNOWN: dict[str, Any] = {"mode": "", "value": True, "edits": [], "imports": [], "error": None}

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
_NAMES = (b"await", b"import", b"export")

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
        TypeScript always); "" where the code does not parse, or takes too long to.
        ``value``: whether its last statement is an expression, so that its value counts.
        ``edits``: ``[start, end, text]`` in order: the last expression of what is not a script, module names that
        would not resolve, ``import.meta.main``.
        ``imports``: ``[name, line, column]`` for each module that an import names.
        ``error``: ``[line, column]`` of the first thing that does not parse, or null.
    """
    source = code.encode("utf-8")
    deadline = time.monotonic() + _MAX_SECONDS
    tree = _parsed(language, source, deadline) if len(source) <= _MAX_BYTES else None
    if tree is None:
        return {**_UNKNOWN}
    where = _Positions(code, source)
    root = tree.root_node
    if root.has_error:
        return {**_UNKNOWN, "error": _error(root, where)}
    found = _find(tree, deadline) if any(name in source for name in _NAMES) else _Found()
    return {**_UNKNOWN} if found is None else _told(found, root, where, language)


def _told(found: "_Found", root: tree_sitter.Node, where: "_Positions", language: str) -> dict[str, Any]:
    is_module = language == "typescript" or found.is_module
    mode = "module" if is_module else "async" if found.awaits else "script"
    last = _last_expression(root)
    edits = [edit for node in found.modules if (edit := _absolute(node, where))]
    edits += [[*where.span(node), "true".ljust(len("import.meta.main"))] for node in found.mains]
    if last is not None and mode != "script":
        start, end = where.span(last)
        edits += [[start, start, LAST + "("], [end, end, ")"]]
    return {
        "mode": mode,
        "value": last is not None,
        "edits": sorted(edits, key=lambda edit: (edit[0], edit[1])),
        "imports": [[_unquoted(node), *where.point(node)] for node in found.modules],
        "error": None,
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


# These parsers are C and run in this process. What reaches them through the host has been parsed before, whole and with
# the same grammars, by validation's worker: code that crashes a grammar crashes that worker, and is denied there.


@cache
def _parser(language: str) -> tree_sitter.Parser:
    module = tree_sitter_typescript.language_typescript if language == "typescript" else tree_sitter_javascript.language
    return tree_sitter.Parser(tree_sitter.Language(module()))


def _parsed(language: str, source: bytes, deadline: float) -> tree_sitter.Tree | None:
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


@dataclass
class _Found:
    """What matters, out of the whole tree."""

    awaits: bool = False
    is_module: bool = False
    modules: list[tree_sitter.Node] = field(default_factory=list)
    mains: list[tree_sitter.Node] = field(default_factory=list)


def _find(tree: tree_sitter.Tree, deadline: float) -> _Found | None:
    """Walk the tree, or None where it takes too long.

    By cursor and not by a query of tree-sitter's: a query takes the square of the depth, and cannot be stopped.
    """
    found = _Found()
    cursor = tree.walk()
    functions = 0
    steps = 0
    while True:
        steps += 1
        if steps % 1000 == 0 and time.monotonic() > deadline:
            return None
        node = cursor.node
        assert node is not None  # the cursor begins at the root and only goes where something is
        _look(node, found, inside=functions > 0)
        if cursor.goto_first_child():
            functions += node.type in _FUNCTIONS
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return found
            functions -= cursor.node is not None and cursor.node.type in _FUNCTIONS


def _look(node: tree_sitter.Node, found: _Found, *, inside: bool) -> None:
    kind = node.type
    if kind in ("import_statement", "export_statement"):
        found.is_module = True
        source = node.child_by_field_name("source")
        if source is not None:
            found.modules.append(source)
    elif kind == "meta_property":
        found.is_module |= node.text == b"import.meta"
    elif kind == "member_expression":
        if node.text == b"import.meta.main":
            found.mains.append(node)
    elif kind == "call_expression":
        _look_at_call(node, found)
    elif not inside and not found.awaits and kind in ("await", "identifier"):
        found.awaits = node.text == b"await"


def _look_at_call(node: tree_sitter.Node, found: _Found) -> None:
    """import("name")."""
    function = node.child_by_field_name("function")
    if function is not None and function.type == "import":
        arguments = node.child_by_field_name("arguments")
        first = arguments.named_child(0) if arguments is not None else None
        if first is not None and first.type == "string":
            found.modules.append(first)


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


def _error(root: tree_sitter.Node, where: _Positions) -> list[int] | None:
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
