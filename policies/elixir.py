"""What the syntax tree of Elixir says.

The language's core is the modules that only compute. Everything else has to be asked for by its name (``File``,
``:os``), and what starts, signals or watches processes counts as ``Process``.
"""

from typing import TYPE_CHECKING

from policies import trees
from policies.facts import Facts, Weight, words
from policies.notes import Notes

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["read"]

_CORE = words("""
    Access ArgumentError ArithmeticError Atom BadArityError BadFunctionError BadMapError Base Bitwise Bytes Calendar
    CaseClauseError Collectable Complex CondClauseError Date DateTime Decimal Enum Enumerable Exception Float
    Fraction Function FunctionClauseError IO Image Inspect Integer JSON Jason Kernel KeyError Keyword List Macro Map
    MapSet MatchError NaiveDateTime OffsetTime Opaque OptionParser Protocol Range Record Regex RuntimeError Stream
    String StringIO Table Time Timespan Tuple URI UndefinedFunctionError Version WithClauseError :array :binary
    :calendar :dict :gb_sets :gb_trees :lists :maps :math :orddict :ordsets :proplists :queue :sets :string :unicode
    :zlib
""")
"""Modules that only compute: code may use them under every policy."""

_STEADY_CORE = _CORE - words("StringIO :zlib")
_UNSTEADY_FUNCTIONS = words("""
    local_now local_time now now! random random_element shift_zone shift_zone! shuffle take_random today
    universal_time utc_now utc_today
""")
_PROCESS_FUNCTIONS = words("""
    exit make_ref monitor node nodes receive self send spawn spawn_link spawn_monitor throw_after
""")
_RUNS_TEXT = words(
    "eval_string eval_quoted eval_file compile_string compile_quoted compile_file require_file string_to_quoted"
)
_DEFINING = words("defmodule defprotocol")
_REMEDY = "Write the code out."


def read(code: str) -> Facts:
    """The facts of Elixir code."""
    source = code.encode()
    root = trees.parse(source, "elixir")
    error = trees.first_error(root, source)
    return Facts(error=error) if error else _Reader(source, root).facts()


class _Reader:
    """One walk over one tree."""

    def __init__(self, source: bytes, root: "Node") -> None:
        self._root = root
        self._notes = Notes(source)
        self._own: set[str] = set()
        self._functions: set[str] = set()
        self._modules: list[tuple[str, Node]] = []
        self._loose: list[tuple[str, Node]] = []

    def facts(self) -> Facts:
        visits = {
            "alias": self._alias,
            "atom": self._atom,
            "quoted_atom": self._atom,
            "call": self._call,
            "dot": self._dot,
            "identifier": self._identifier,
        }
        for node in trees.walk(self._root):
            visit = visits.get(node.type)
            if visit is not None:
                visit(node)
        self._settle()
        return self._notes.facts()

    def _settle(self) -> None:
        """What can only be said once the code's own modules and functions are known."""
        below = tuple(own + "." for own in self._own)
        for name, node in self._modules:
            if name not in self._own and not name.startswith(below):
                self._module(name, node)
        for name, node in self._loose:
            if name not in self._functions:
                self._notes.use("Process", *trees.place(node))
            self._notes.doubted(f"it uses {name}")

    def _module(self, name: str, node: "Node") -> None:
        if name not in _STEADY_CORE:
            self._notes.doubted(f"it uses {name}")
        if name not in _CORE:
            self._notes.use(name, *trees.place(node))

    # --- names --------------------------------------------------------------------------------------------------------

    def _alias(self, node: "Node") -> None:
        name = trees.text(node).removeprefix("Elixir.")
        parent = node.parent
        defines = parent is not None and parent.type == "arguments" and _called(parent.parent) in _DEFINING
        if defines or _is_group_of_aliases(node):  # of `alias Foo.{A, B}` only Foo is judged
            self._own.add(name)
        else:
            self._modules.append((name, node))

    def _atom(self, node: "Node") -> None:
        """An atom is a module where a function of it is called or captured, or where it is handed to ``apply``."""
        name = trees.text(node)
        if node.type == "quoted_atom":
            name = ":" + "".join(trees.text(child) for child in node.named_children)
        if name.startswith(":Elixir."):
            self._modules.append((name.removeprefix(":Elixir."), node))
            return
        parent = node.parent
        if parent is None:
            return
        if parent.type == "dot" or (
            parent.type == "arguments" and _called(parent.parent) in ("apply", "import", "alias")
        ):
            is_first = parent.named_children[0] == node
            if is_first:
                self._modules.append((name, node))

    def _identifier(self, node: "Node") -> None:
        name = trees.text(node)
        if name in _PROCESS_FUNCTIONS and _stands_for_function(node):
            self._loose.append((name, node))

    # --- calls --------------------------------------------------------------------------------------------------------

    def _call(self, node: "Node") -> None:
        name = _called(node)
        if name in ("def", "defp", "defmacro", "defmacrop"):
            self._functions.add(_defined(node))
        elif name == "alias":
            self._own.update(_new_names(node))
        elif name == "apply":
            arguments = _arguments(node)
            of_module = len(arguments) == 3
            if of_module and arguments[0].type not in ("alias", "atom"):
                self._computed(node)
            else:
                self._notes.doubted("it calls a function with apply")

    def _dot(self, node: "Node") -> None:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        name = trees.text(right)
        if name in _UNSTEADY_FUNCTIONS:
            self._notes.doubted(f"it uses {name}")
        if name in _RUNS_TEXT:
            message = f"`{name}` runs text that is not checked."
            self._notes.mark("runs-text", Weight.TRICK, *trees.place(node), message, _REMEDY)
        named = left is None or left.type in ("alias", "atom", "quoted_atom", "dot") or trees.text(left) == "__MODULE__"
        call = node.parent
        if right is not None and not named and call is not None and call.type == "call" and _has_arguments(call):
            self._computed(node)

    def _computed(self, node: "Node") -> None:
        self._notes.doubted("it calls a function of a module that is computed")
        message = "The module whose function is called is computed, so it cannot be checked."
        self._notes.mark("import-not-constant", Weight.TRICK, *trees.place(node), message, "Name the module.")


def _called(node: "Node | None") -> str:
    """The name of the function that a call calls; "" where it is one of a module."""
    if node is None or node.type != "call":
        return ""
    target = node.child_by_field_name("target")
    return trees.text(target) if target is not None and target.type == "identifier" else ""


def _arguments(node: "Node") -> list["Node"]:
    for child in node.named_children:
        if child.type == "arguments":
            return child.named_children
    return []


def _has_arguments(call: "Node") -> bool:
    """Whether it is written with parentheses or arguments: ``m.key`` may be a field, ``m.f()`` is a call."""
    return any(child.type == "arguments" for child in call.named_children)


def _new_names(node: "Node") -> list[str]:
    """The short names that an ``alias`` makes: they stand for the module that it names, which is judged."""
    names = [trees.text(each) for each in _arguments(node) if each.type == "alias"]
    short = [name.rpartition(".")[2] for name in names if "." in name]
    pairs = (each for each in trees.walk(node) if each.type == "pair")
    renamed = [
        trees.text(pair.child_by_field_name("value"))
        for pair in pairs
        if trees.text(pair.child_by_field_name("key")).startswith("as:")
    ]
    return renamed or short


def _defined(node: "Node") -> str:
    """The name of the function that a ``def`` defines."""
    arguments = _arguments(node)
    head = arguments[0] if arguments else None
    while head is not None and head.type == "binary_operator":  # def f(x) when x > 0
        head = head.child_by_field_name("left")
    return _called(head) or trees.text(head)


def _is_group_of_aliases(node: "Node") -> bool:
    parent = node.parent
    return parent is not None and parent.type == "tuple" and parent.parent is not None and parent.parent.type == "dot"


def _stands_for_function(node: "Node") -> bool:
    """Whether an identifier is called or captured, and is not the name after a dot."""
    parent = node.parent
    if parent is None:
        return False
    if parent.type == "call":
        return parent.child_by_field_name("target") == node
    if parent.type == "dot":
        left = trees.text(parent.child_by_field_name("left"))
        return left == "Kernel" and parent.child_by_field_name("right") == node
    return parent.type == "binary_operator" and parent.parent is not None and parent.parent.type == "unary_operator"
