"""The edits that make a script of one command of a session, to be evaluated after others in the same global scope."""

from typing import Any

from tree_sitter import Node

from adapters.guest.javascript.syntax import KEY, Positions

__all__ = ["Command"]

_RESULT = b"result"
_PATTERNS = ("array_pattern", "object_pattern")
_NAMED_BY_THEIR_VARIABLE = ("arrow_function", "class", "function_expression", "generator_function")


class Command:
    """Collects the edits while a tree is walked.

    Attributes:
        edits: ``[start, end, text]``, in no order.
        modules: the strings that name the modules of imports.
    """

    def __init__(self, where: Positions) -> None:
        self.edits: list[list[Any]] = []
        self.modules: list[Node] = []
        self._where = where

    def look(self, node: Node, *, inside: bool) -> None:
        """Take note of one node; ``inside`` a function or not."""
        kind = node.type
        if kind in ("import_statement", "export_statement"):
            if node.parent is not None and node.parent.type == "program":  # and in no namespace
                (self._import if kind == "import_statement" else self._export)(node)
        elif kind == "call_expression":
            self._call(node)
        elif kind == "member_expression" and node.text == b"import.meta.main":
            self._replace(node.start_byte, node.end_byte, "true")
        elif kind == "await_expression" and not inside:
            self._wrap(node.named_children[-1], "held")
        elif kind == "for_in_statement" and not inside:
            self._loop(node)
        elif kind in ("assignment_expression", "augmented_assignment_expression"):
            self._assignment(node.child_by_field_name("left"), node.child_by_field_name("right"), kind)
        elif kind == "variable_declarator" and not inside and _is_global(node):
            self._assignment(node.child_by_field_name("name"), node.child_by_field_name("value"), kind)

    def _loop(self, node: Node) -> None:
        """The items of ``for await``."""
        items = node.child_by_field_name("right")
        if items is not None and any(child.type == "await" for child in node.children):
            self._wrap(items, "heldEach")

    def _assignment(self, target: Node | None, value: Node | None, kind: str) -> None:
        """Have the code tell that it assigns ``result``, and what, where that is the value of an expression."""
        if target is None or value is None or _RESULT not in (target.text or b""):
            return
        if target.type == "identifier" and target.text == _RESULT:
            if value.type in _NAMED_BY_THEIR_VARIABLE:  # a new object, which is seen without this
                return
            self._wrap(value, "assigned" if kind != "augmented_assignment_expression" else "reassigned")
        elif target.type in _PATTERNS:
            self._wrap(value, "reassigned")

    def _call(self, node: Node) -> None:
        """import("name")."""
        function = node.child_by_field_name("function")
        if function is None or function.type != "import":
            return
        self._replace(function.start_byte, function.end_byte, f"{KEY}.import")
        arguments = node.child_by_field_name("arguments")
        first = arguments.named_child(0) if arguments is not None else None
        if first is not None and first.type == "string":
            self.modules.append(first)

    def _import(self, node: Node) -> None:
        """``import`` that is no call: an awaited one, and constants."""
        source = node.child_by_field_name("source")
        if source is None or _is_of_types(node):
            return
        clause = next((child for child in node.children if child.type == "import_clause"), None)
        before, after = ("", "") if clause is None else _bindings(clause)
        attributes = next((child for child in node.children if child.type == "import_attribute"), None)
        listed = next((child for child in attributes.children if child.type == "object"), None) if attributes else None
        options = "" if listed is None else f", {{with: {_text(listed)}}}"
        self.modules.append(source)
        self._replace(node.start_byte, source.start_byte, f"{before}await {KEY}.import(")
        self._replace(source.end_byte, node.end_byte, f"{options}){after};")

    def _export(self, node: Node) -> None:
        """``export``: what it declares stays, and nobody imports it."""
        source = node.child_by_field_name("source")
        declared = node.child_by_field_name("declaration")
        value = node.child_by_field_name("value")
        if _is_of_types(node):
            return
        if source is not None:
            self.modules.append(source)
            self._replace(node.start_byte, source.start_byte, f"await {KEY}.import(")
            self._replace(source.end_byte, node.end_byte, ");")
        elif declared is not None:
            unnamed = declared.child_by_field_name("name") is None and "declaration" not in declared.type
            self._replace(node.start_byte, declared.start_byte, "void " if unnamed else "")
        elif value is not None:
            self._replace(node.start_byte, value.start_byte, "void ")
        else:
            self._replace(node.start_byte, node.end_byte, ";")

    def _wrap(self, node: Node, method: str) -> None:
        start, end = self._where.span(node)
        self.edits += [[start, start, f"{KEY}.{method}("], [end, end, ")"]]

    def _replace(self, start: int, end: int, text: str) -> None:
        """``text`` in the place of these bytes, as many lines long."""
        lines = self._where.lines(start, end)
        self.edits.append([self._where.units(start), self._where.units(end), text + "\n" * lines])


def _is_global(declarator: Node) -> bool:
    """Whether what is declared outside of functions is a variable of the program, and no let or const of a block."""
    declaration = declarator.parent
    around = None if declaration is None else declaration.parent
    if declaration is None or around is None:
        return False
    return declaration.type == "variable_declaration" or around.type in ("program", "export_statement")


def _is_of_types(node: Node) -> bool:
    """``import type``, ``export type``, ``import x = require()``: taken out with the types."""
    return any(child.type in ("type", "typeof", "import_require_clause", "=") for child in node.children)


def _bindings(clause: Node) -> tuple[str, str]:
    """What stands before and after the call: the names that an import clause binds."""
    default = next((_text(child) for child in clause.children if child.type == "identifier"), None)
    space = next((child for child in clause.children if child.type == "namespace_import"), None)
    if space is not None:
        whole = _text(space.named_children[0])
        return f"const {whole} = ", "" if default is None else f", {{default: {default}}} = {whole}"
    names = [] if default is None else [f"default: {default}"]
    for named in (child for child in clause.children if child.type == "named_imports"):
        for one in (child for child in named.named_children if child.type == "import_specifier"):
            if not _is_of_types(one):
                name, alias = one.child_by_field_name("name"), one.child_by_field_name("alias")
                names.append(f"{_text(name)}: {_text(alias or name)}")
    return f"const {{{', '.join(names)}}} = ", ""


def _text(node: Node | None) -> str:
    return "" if node is None or node.text is None else node.text.decode("utf-8", "replace")
