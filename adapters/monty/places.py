"""Values that may only stand where the difference between monty and CPython cannot show.

An eager ``enumerate`` is as good as a lazy one where it is worked through whole at once; a set is as good as another
where the order of its members is not seen. Everything is told from where the expression stands in the tree.
"""

import ast

from adapters.monty import table
from adapters.monty.decline import Decline

__all__ = ["Places"]

_WHOLE = frozenset({"dict", "frozenset", "list", "max", "min", "set", "sorted", "sum", "tuple"})
_LAZY = frozenset({"enumerate", "filter", "map", "reversed", "zip"})
_LOOPED = frozenset({"enumerate", "reversed", "zip"})
_ITERATORS = frozenset({"accumulate", "chain", "combinations", "combinations_with_replacement", "pairwise"}) | {
    "permutations",
    "product",
    "zip_longest",
}
_VIEWS = frozenset({"items", "keys", "values"})
_SET_RESULTS = frozenset({"difference", "intersection", "symmetric_difference", "union"})
_SET_TAKERS = frozenset({"bool", "frozenset", "len", "set"})
_AT_ONCE = frozenset({"extend", "join"})
_SET_OPERATORS = (ast.BitOr, ast.BitAnd, ast.BitXor, ast.Sub)


class Places:
    """The parents of every node, and the rules for values that are particular about where they stand."""

    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        self._sets = self._names_of_sets()

    def parent(self, node: ast.AST) -> ast.AST | None:
        """The node above."""
        return self._parents.get(node)

    def check(self, classes: frozenset[str]) -> None:
        """Hold every expression against the rule of its kind.

        Raises:
            Decline: one stands where a difference could show.
        """
        for node in ast.walk(self._tree):
            if isinstance(node, ast.GeneratorExp):
                self._lazy(node, "a generator")
            elif isinstance(node, ast.Call):
                self._call(node)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                self._name(node, classes)
            if self._is_set(node):
                self._set(node)

    # --- kinds --------------------------------------------------------------------------------------------------------

    def _call(self, node: ast.Call) -> None:
        name = _name(node.func)
        if isinstance(node.func, ast.Name):
            if name in _LAZY:
                self._lazy(node, f"`{name}`", looped=name in _LOOPED)
            elif name == "range":
                self._range(node)
            elif name == "type" and not isinstance(self.parent(node), ast.Compare):
                self._no(node, "`type(...)` outside a comparison", "classes are shown differently")
        if name in _ITERATORS:
            self._lazy(node, f"`{name}`")
        elif (
            isinstance(node.func, ast.Attribute)
            and name in _VIEWS
            and not (
                self._looped(node)
                or self._taken(node, _WHOLE | _LAZY | {"all", "any", "len", "Counter"})
                or self._searched(node)
            )
        ):
            self._no(node, f"`.{name}()` as a value", "it comes back as text", "Write list(...) around it.")

    def _lazy(self, node: ast.expr, what: str, *, looped: bool = False) -> None:
        if self._taken(node, _WHOLE) or self._taken_by_method(node, _AT_ONCE) or (looped and self._looped(node)):
            return
        if looped and self._taken(node, _LOOPED):
            return
        self._no(
            node,
            f"{what} that is not worked through at once",
            "monty works through it whole",
            "Write list(...) or [...] around it.",
        )

    def _range(self, node: ast.Call) -> None:
        if self._looped(node) or self._searched(node) or isinstance(self.parent(node), ast.Starred):
            return
        if self._taken_by_method(node, _AT_ONCE):
            return
        if self._taken(node, _WHOLE | _LAZY | {"all", "any", "len"} | _ITERATORS):
            return
        self._no(node, "`range` as a value", "it comes back as text", "Write list(range(...)).")

    def _name(self, node: ast.Name, classes: frozenset[str]) -> None:
        """Builtin functions and classes are called, or stand where a function or class is asked for."""
        if node.id not in table.BUILTINS and node.id not in classes:
            return
        parent = self.parent(node)
        if isinstance(parent, ast.Attribute) or (isinstance(parent, ast.Call) and parent.func is node):
            return
        if self._is_annotation(node) or (isinstance(parent, ast.keyword) and parent.arg == "key"):
            return
        if node.id in classes and self._asked_for_class(node):
            return
        if isinstance(parent, ast.Call):
            first = parent.args[:1] == [node]
            if first and _name(parent.func) in ("map", "filter", "reduce"):
                return
            if first and _name(parent.func) == "defaultdict" and node.id in ("dict", "float", "int", "list", "str"):
                return
        self._no(node, f"`{node.id}` as a value", "monty hands it on in another form")

    def _asked_for_class(self, node: ast.Name) -> bool:
        place = self.parent(node)
        child: ast.AST = node
        if isinstance(place, ast.Tuple):
            child, place = place, self.parent(place)
        if isinstance(place, ast.Call):
            return _name(place.func) == "isinstance" and place.args[1:] == [child]
        return isinstance(place, ast.Compare) and any(
            isinstance(each, ast.Call) and _name(each.func) == "type" for each in (place.left, *place.comparators)
        )

    def _is_annotation(self, node: ast.AST) -> bool:
        child, parent = node, self.parent(node)
        while parent is not None and not isinstance(parent, ast.stmt | ast.arg):
            child, parent = parent, self.parent(parent)
        return child is getattr(parent, "annotation", None) or child is getattr(parent, "returns", None)

    # --- sets ---------------------------------------------------------------------------------------------------------

    def _names_of_sets(self) -> frozenset[str]:
        """Every name that is given a set anywhere."""
        names: set[str] = set()
        self._sets = frozenset()
        while True:
            for node in ast.walk(self._tree):
                if (
                    isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr)
                    and node.value
                    and self._is_set(node.value)
                ):
                    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                    names.update(target.id for target in targets if isinstance(target, ast.Name))
            if names == self._sets:
                return self._sets
            self._sets = frozenset(names)

    def _is_set(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Set | ast.SetComp):
            return True
        if isinstance(node, ast.Name):
            return isinstance(node.ctx, ast.Load) and node.id in self._sets
        if isinstance(node, ast.BinOp) and isinstance(node.op, _SET_OPERATORS):
            return self._is_set(node.left) or self._is_set(node.right)
        if isinstance(node, ast.IfExp):
            return self._is_set(node.body) or self._is_set(node.orelse)
        if isinstance(node, ast.BoolOp):
            return any(self._is_set(value) for value in node.values)
        if not isinstance(node, ast.Call):
            return False
        if isinstance(node.func, ast.Name):
            return node.func.id in ("set", "frozenset")
        name = _name(node.func)
        return name in _SET_RESULTS or (
            name == "copy" and isinstance(node.func, ast.Attribute) and self._is_set(node.func.value)
        )

    def _set(self, node: ast.AST) -> None:
        parent = self.parent(node)
        if isinstance(
            parent, ast.Compare | ast.Not | ast.UnaryOp | ast.Expr | ast.BoolOp | ast.IfExp | ast.If | ast.While
        ):
            return  # compared, tested, or (a bare expression) the value of the program: values of sets have no order
        if isinstance(parent, ast.Assign | ast.AnnAssign | ast.NamedExpr):
            targets = parent.targets if isinstance(parent, ast.Assign) else [parent.target]
            if all(isinstance(target, ast.Name) for target in targets):
                return
        if isinstance(parent, ast.AugAssign | ast.BinOp) and isinstance(parent.op, _SET_OPERATORS):
            return
        if isinstance(parent, ast.Attribute) and (parent.attr in table.SET_METHODS or parent.attr == "copy"):
            return
        if isinstance(parent, ast.Call):
            name = _name(parent.func)
            if isinstance(parent.func, ast.Name) and (
                name in _SET_TAKERS or (name == "sorted" and not parent.keywords)
            ):
                return
            if isinstance(parent.func, ast.Attribute) and name in table.SET_METHODS:
                return
        self._no(
            node, "a set whose order may be seen", "its members come in another order", "Write sorted(...) around it."
        )

    # --- places -------------------------------------------------------------------------------------------------------

    def _looped(self, node: ast.AST) -> bool:
        parent = self.parent(node)
        return isinstance(parent, ast.For | ast.comprehension) and parent.iter is node

    def _taken(self, node: ast.AST, functions: frozenset[str]) -> bool:
        parent = self.parent(node)
        return isinstance(parent, ast.Call) and node in parent.args and _name(parent.func) in functions

    def _taken_by_method(self, node: ast.AST, methods: frozenset[str]) -> bool:
        parent = self.parent(node)
        return isinstance(parent, ast.Call) and isinstance(parent.func, ast.Attribute) and parent.func.attr in methods

    def _searched(self, node: ast.AST) -> bool:
        parent = self.parent(node)
        return (
            isinstance(parent, ast.Compare)
            and node in parent.comparators
            and all(isinstance(op, ast.In | ast.NotIn) for op in parent.ops)
        )

    def _no(self, node: ast.AST, what: str, why: str, remedy: str = "") -> None:
        raise Decline(node, what, why, remedy)


def _name(func: ast.AST) -> str:
    if isinstance(func, ast.Attribute):
        return func.attr
    return func.id if isinstance(func, ast.Name) else ""
