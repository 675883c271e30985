"""What the syntax tree of JavaScript and TypeScript says.

The language's core is what ECMAScript itself defines. Everything else has to be asked for: modules by ``import`` and
``require``, and the globals of the runtime (``Deno``, ``process``, ``fetch`` ...), which count as modules of that name.
"""

from typing import TYPE_CHECKING

from policies import trees
from policies.facts import Facts, Weight, words
from policies.notes import Notes

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["read"]

_STEADY_GLOBALS = words("""
    AggregateError Array ArrayBuffer BigInt BigInt64Array BigUint64Array Boolean Complex DataView Decimal Duration
    Error EvalError Float32Array Float64Array Fraction Image Infinity Int16Array Int32Array Int8Array Iterator JSON
    Map Math NaN Number Object Opaque PlainDate PlainTime Promise Proxy RangeError ReferenceError Reflect RegExp Set
    String Symbol SyntaxError Table TextDecoder TextEncoder TypeError URIError Uint16Array Uint32Array Uint8Array
    Uint8ClampedArray WeakMap WeakSet arguments atob btoa console decodeURI decodeURIComponent display encodeURI
    encodeURIComponent escape inputs isFinite isNaN parseFloat parseInt queueMicrotask result structuredClone
    undefined unescape
""")
"""Globals that give the same for the same arguments, but for what ``_UNSTEADY_PROPERTIES`` names."""

_REACHING_GLOBALS = words("""
    BroadcastChannel Buffer Deno EventSource WebSocket WebSocketStream Worker XMLHttpRequest __dirname __filename
    caches fetch global localStorage navigator process require sessionStorage
""")
"""Globals of the runtime that reach out of the program."""

_UNSTEADY_PROPERTIES = words("""
    localeCompare random stack toLocaleDateString toLocaleLowerCase toLocaleString toLocaleTimeString
    toLocaleUpperCase
""")
_STEADY_CONSOLE = words("assert debug dir error group groupEnd info log table warn")
_RUNS_TEXT = words("eval Function AsyncFunction GeneratorFunction")
_REMEDY = "Write the code out."


def read(code: str, language: str) -> Facts:
    """The facts of JavaScript or TypeScript code."""
    source = code.encode()
    root = trees.parse(source, language)
    error = trees.first_error(root, source)
    return Facts(error=error) if error else _Reader(source, root).facts()


class _Reader:
    """One walk over one tree."""

    def __init__(self, source: bytes, root: "Node") -> None:
        self._root = root
        self._notes = Notes(source)
        self._declared: set[str] = set()
        self._references: dict[str, Node] = {}

    def facts(self) -> Facts:
        visits = {
            "import_statement": self._module_source,
            "export_statement": self._module_source,
            "import_require_clause": self._module_source,
            "call_expression": self._call,
            "new_expression": self._new,
            "member_expression": self._member,
            "subscript_expression": self._subscript,
            "property_identifier": self._property_name,
            "shorthand_property_identifier_pattern": self._property_name,
            "meta_property": self._meta,
            "identifier": self._identifier,
            "shorthand_property_identifier": self._identifier,
        }
        for node in trees.walk(self._root):
            for pattern in _patterns(node):
                self._declared.update(_names(pattern))
            visit = visits.get(node.type)
            if visit is not None:
                visit(node)
        self._settle()
        return self._notes.facts()

    def _settle(self) -> None:
        """What can only be said once all declarations are known."""
        for name, node in self._references.items():
            own = name in self._declared
            if name in _REACHING_GLOBALS and not own and name != "require":
                self._notes.use(name, *trees.place(node))
            if name in _RUNS_TEXT and not own:
                message = f"`{name}` runs text that is not checked."
                self._notes.mark("runs-text", Weight.TRICK, *trees.place(node), message, _REMEDY)
            if name not in _STEADY_GLOBALS and (not own or name in _REACHING_GLOBALS or name == "Date"):
                self._notes.doubted(f"it uses {name}")

    def _identifier(self, node: "Node") -> None:
        name = trees.text(node)
        if name not in self._references and not _is_steady_date(node, name):
            self._references[name] = node
        if name == "Math" and (node.parent is None or node.parent.type != "member_expression"):
            self._notes.doubted("it hands Math on")

    # --- modules ------------------------------------------------------------------------------------------------------

    def _module_source(self, node: "Node") -> None:
        source = node.child_by_field_name("source")
        if source is not None:
            self._imports(source, node)

    def _imports(self, module: "Node | None", node: "Node") -> None:
        self._notes.doubted("it imports a module")
        if module is not None and module.type == "string":
            self._notes.use(trees.text(module)[1:-1], *trees.place(node))
            return
        message = "The name of an imported module is computed, so it cannot be checked."
        remedy = "Import the module by its name."
        self._notes.mark("import-not-constant", Weight.TRICK, *trees.place(node), message, remedy)

    # --- expressions --------------------------------------------------------------------------------------------------

    def _call(self, node: "Node") -> None:
        function = node.child_by_field_name("function")
        if function is None:
            return
        if function.type == "import" or trees.text(function) == "require":
            arguments = node.child_by_field_name("arguments")
            first = arguments.named_children[0] if arguments is not None and arguments.named_child_count else None
            self._imports(first, node)
        elif function.type == "member_expression" and _property(function) == "constructor":
            self._constructor(node)

    def _new(self, node: "Node") -> None:
        constructor = node.child_by_field_name("constructor")
        looked_up = constructor is not None and constructor.type == "member_expression"
        if looked_up and _property(constructor) == "constructor":
            self._constructor(node)

    def _constructor(self, node: "Node") -> None:
        self._notes.doubted("it calls a constructor that it looked up")
        message = "A constructor that is looked up may be `Function`, which runs text that is not checked."
        self._notes.mark("runs-text", Weight.TRICK, *trees.place(node), message, _REMEDY)

    def _member(self, node: "Node") -> None:
        if trees.text(node.child_by_field_name("object")) == "console" and _property(node) not in _STEADY_CONSOLE:
            self._notes.doubted(f"it uses console.{_property(node)}")

    def _property_name(self, node: "Node") -> None:
        name = trees.text(node)
        if name in _UNSTEADY_PROPERTIES:
            self._notes.doubted(f"it uses .{name}")

    def _subscript(self, node: "Node") -> None:
        holder = node.child_by_field_name("object")
        index = node.child_by_field_name("index")
        name = trees.text(holder)
        if name in ("globalThis", "window", "self", "Math", "Date", "Reflect"):
            self._notes.doubted(f"it looks up a name in {name}")
        if index is not None and index.type == "string" and trees.text(index)[1:-1] in _UNSTEADY_PROPERTIES:
            self._notes.doubted(f"it uses .{trees.text(index)[1:-1]}")

    def _meta(self, node: "Node") -> None:
        if trees.text(node).startswith("import"):
            self._notes.doubted("it uses import.meta")


def _property(node: "Node | None") -> str:
    return "" if node is None else trees.text(node.child_by_field_name("property"))


def _is_steady_date(node: "Node", name: str) -> bool:
    """Date.UTC is arithmetic; all else of Date has the clock or the time zone in it."""
    parent = node.parent
    return name == "Date" and parent is not None and parent.type == "member_expression" and _property(parent) == "UTC"


# The fields that declare names, by the type of node that has them.
_DECLARING = {
    "variable_declarator": ("name",),
    "function_declaration": ("name",),
    "function_expression": ("name",),
    "generator_function_declaration": ("name",),
    "generator_function": ("name",),
    "class_declaration": ("name",),
    "class": ("name",),
    "enum_declaration": ("name",),
    "arrow_function": ("parameter",),
    "catch_clause": ("parameter",),
    "required_parameter": ("pattern",),
    "optional_parameter": ("pattern",),
    "assignment_expression": ("left",),
    "for_in_statement": ("left",),
    "import_specifier": ("alias", "name"),
}
_DECLARING_CHILDREN = ("formal_parameters", "import_clause", "namespace_import")


def _patterns(node: "Node") -> list["Node"]:
    """What declares names in this node."""
    kind = node.type
    if kind in _DECLARING_CHILDREN:
        return node.named_children
    fields = _DECLARING.get(kind)
    if fields is None:
        return []
    return [found for field in fields if (found := node.child_by_field_name(field)) is not None]


def _names(pattern: "Node") -> list[str]:
    """The names that a pattern binds; defaults are expressions and bind nothing."""
    names: list[str] = []
    stack = [pattern]
    while stack:
        node = stack.pop()
        kind = node.type
        if kind in ("identifier", "shorthand_property_identifier_pattern", "type_identifier"):
            names.append(trees.text(node))
        elif kind in ("assignment_pattern", "object_assignment_pattern"):
            left = node.child_by_field_name("left")
            stack.extend([left] if left is not None else [])
        elif kind == "pair_pattern":
            value = node.child_by_field_name("value")
            stack.extend([value] if value is not None else [])
        elif kind in ("object_pattern", "array_pattern", "rest_pattern"):
            stack.extend(node.named_children)
    return names
