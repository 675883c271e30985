"""What the host tells the JavaScript guest about the caller's code: facts read off its syntax tree, nothing run.

JavaScript has no parser that a program can reach, and the guest has to know three things before it starts the code:
whether it is a script or a module, where its last expression stands, and which modules it names. tree-sitter, which is
C and takes about half a millisecond per KB, tells all three. Offsets count UTF-16 code units, as JavaScript strings do.

The guest applies the edits to the text. None of them adds or removes a line, and the guest maps columns back in what it
reports.
"""

import time
from dataclasses import dataclass, field
from typing import Any

import tree_sitter

from adapters.guest.javascript.commands import Command
from adapters.guest.javascript.facts import UNKNOWN
from adapters.guest.javascript.syntax import KEY, Positions, error_place, last_expression, parsed, unquoted, visit

__all__ = ["LAST", "WORK_FOLDER", "command_shape", "shape"]

LAST = f"{KEY}.last="
"""What stands before the last expression of a module, which has no completion value as a script has."""

WORK_FOLDER = "$cwd/"
"""An edit with this text stands for the address of the work folder, which the guest alone knows."""

_MAX_BYTES = 128 * 1024
"""Longer code is not parsed here; then the guest finds out by trying."""

_MAX_SECONDS = 0.2
_NAMES = (b"await", b"import", b"export")

_BUILTINS = frozenset(
    """assert assert/strict async_hooks buffer child_process cluster console constants crypto dgram diagnostics_channel
    dns dns/promises domain events fs fs/promises http http2 https inspector module net os path path/posix path/win32
    perf_hooks process punycode querystring readline readline/promises repl stream stream/consumers stream/promises
    stream/web string_decoder sys timers timers/promises tls tty url util util/types v8 vm wasi worker_threads
    zlib""".split()  # noqa: SIM905 - fifty quoted names would be harder to read
)


def shape(code: str, language: str) -> dict[str, Any]:
    """The facts about a program, as the request frame carries them.

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
    where = Positions(code, source)
    tree = _tree(source, language, deadline)
    if tree is None or tree.root_node.has_error:
        return _unknown(tree, where)
    found = _Found()
    if any(name in source for name in _NAMES) and not visit(tree, deadline, found.look):
        return {**UNKNOWN}
    return _told(found, tree.root_node, where, language)


def command_shape(code: str, language: str) -> dict[str, Any]:
    """The facts about one command of a session.

    Returns:
        As ``shape``; ``mode`` is "command" or "". The edits make a script of it that can be evaluated after others:
        they hand over its last expression and tell of assignments to ``result``; imports become awaited calls.
    """
    source = code.encode("utf-8")
    deadline = time.monotonic() + _MAX_SECONDS
    where = Positions(code, source)
    tree = _tree(source, language, deadline)
    if tree is None or tree.root_node.has_error:
        return _unknown(tree, where)
    command = Command(where)
    if any(name in source for name in (*_NAMES, b"result")) and not visit(tree, deadline, command.look):
        return {**UNKNOWN}
    last = last_expression(tree.root_node)
    edits = command.edits + _handed_over(last, where)
    imports = [[unquoted(node), *where.point(node)] for node in command.modules]
    return {**UNKNOWN, "mode": "command", "value": last is not None, "edits": _in_order(edits), "imports": imports}


def _tree(source: bytes, language: str, deadline: float) -> tree_sitter.Tree | None:
    return parsed(language, source, deadline) if len(source) <= _MAX_BYTES else None


def _unknown(tree: tree_sitter.Tree | None, where: Positions) -> dict[str, Any]:
    return {**UNKNOWN, "error": None if tree is None else error_place(tree.root_node, where)}


def _handed_over(last: tree_sitter.Node | None, where: Positions) -> list[list[Any]]:
    if last is None:
        return []
    start, end = where.span(last)
    return [[start, start, LAST + "("], [end, end, ")"]]


def _in_order(edits: list[list[Any]]) -> list[list[Any]]:
    return sorted(edits, key=lambda edit: (edit[0], edit[1]))


def _told(found: "_Found", root: tree_sitter.Node, where: "Positions", language: str) -> dict[str, Any]:
    is_module = language == "typescript" or found.is_module
    mode = "module" if is_module else "async" if found.awaits else "script"
    last = last_expression(root)
    edits = [edit for node in found.modules if (edit := _absolute(node, where))]
    edits += [[*where.span(node), "true".ljust(len("import.meta.main"))] for node in found.mains]
    if mode != "script":
        edits += _handed_over(last, where)
    return {
        "mode": mode,
        "value": last is not None,
        "edits": _in_order(edits),
        "imports": [[unquoted(node), *where.point(node)] for node in found.modules],
        "error": None,
    }


@dataclass
class _Found:
    """What matters, out of the whole tree."""

    awaits: bool = False
    is_module: bool = False
    modules: list[tree_sitter.Node] = field(default_factory=list)
    mains: list[tree_sitter.Node] = field(default_factory=list)

    def look(self, node: tree_sitter.Node, *, inside: bool) -> None:
        kind = node.type
        if kind in ("import_statement", "export_statement"):
            self.is_module = True
            source = node.child_by_field_name("source")
            if source is not None:
                self.modules.append(source)
        elif kind == "meta_property":
            self.is_module |= node.text == b"import.meta"
        elif kind == "member_expression":
            if node.text == b"import.meta.main":
                self.mains.append(node)
        elif kind == "call_expression":
            self._look_at_call(node)
        elif not inside and not self.awaits and kind in ("await", "identifier"):
            self.awaits = node.text == b"await"

    def _look_at_call(self, node: tree_sitter.Node) -> None:
        """import("name")."""
        function = node.child_by_field_name("function")
        if function is not None and function.type == "import":
            arguments = node.child_by_field_name("arguments")
            first = arguments.named_child(0) if arguments is not None else None
            if first is not None and first.type == "string":
                self.modules.append(first)


def _absolute(node: tree_sitter.Node, where: Positions) -> list[Any] | None:
    """The edit for a module name that would not resolve from where the guest loads the code; None where it does.

    Built-in modules get the ``node:`` that node itself lets one leave out; a relative path starts at the work folder.
    """
    name = unquoted(node)
    start = where.span(node)[0] + 1
    if name in _BUILTINS:
        return [start, start, "node:"]
    if name.startswith(("./", "../")):
        return [start, start, WORK_FOLDER]
    return None
