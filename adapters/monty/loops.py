"""Loops over an eager ``enumerate``, ``zip`` or ``reversed`` whose body changes what is looped over.

CPython would see the change, monty has read everything before. Which names may be the same value is told by how the
program hands values from name to name; in doubt they are.
"""

import ast
from collections.abc import Iterable, Iterator

from adapters.monty.decline import Decline
from adapters.monty.table import MUTATORS

__all__ = ["changes_while_looping"]

_EAGER = frozenset({"enumerate", "reversed", "zip"})


def changes_while_looping(tree: ast.Module) -> None:
    """Look at every such loop.

    Raises:
        Decline: a body may change what its loop is over.
    """
    loops = [node for node in ast.walk(tree) if isinstance(node, ast.For | ast.ListComp | ast.SetComp | ast.DictComp)]
    suspects = [(loop, each) for loop in loops for each in _eager(loop)]
    if not suspects:
        return
    same = _Aliases(tree)
    in_functions = set(_changed(_functions(tree)))
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for loop, (target, iterable) in suspects:
        body = loop.body if isinstance(loop, ast.For) else [loop]
        changed = set(_changed(body)) - set(_names(target))
        if _calls_own(body, own):
            changed |= in_functions
        over = {same.root(name) for name in _names(iterable)}
        for name in sorted(changed):
            if same.root(name) in over:
                why = "monty reads it whole before the first turn"
                raise Decline(
                    iterable,
                    f"a loop that may change `{name}`, which it is over",
                    why,
                    "Loop over list(...) of a copy.",
                )


def _eager(loop: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    if isinstance(loop, ast.For):
        places: Iterable[tuple[ast.AST, ast.AST]] = [(loop.target, loop.iter)]
    else:
        places = [(each.target, each.iter) for each in getattr(loop, "generators", [])]
    for target, iterable in places:
        if isinstance(iterable, ast.Call) and isinstance(iterable.func, ast.Name) and iterable.func.id in _EAGER:
            yield target, iterable


def _changed(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The names whose values are changed in place."""
    for top in nodes:
        for node in ast.walk(top):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
                yield from _root(node.func.value)
            elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
                yield from _root(node.value)
            elif isinstance(node, ast.AugAssign):
                yield from _root(node.target)
            elif isinstance(node, ast.Call) and _is_named(node.func, ("insort", "shuffle")):
                yield from (name for argument in node.args for name in _root(argument))


def _root(node: ast.AST) -> Iterator[str]:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    if isinstance(node, ast.Name):
        yield node.id


def _names(node: ast.AST) -> Iterator[str]:
    return (each.id for each in ast.walk(node) if isinstance(each, ast.Name))


def _functions(tree: ast.AST) -> list[ast.AST]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.Lambda)]


def _is_named(func: ast.AST, names: tuple[str, ...]) -> bool:
    name: str | None = getattr(func, "id", getattr(func, "attr", None))
    return name in names


def _calls_own(body: Iterable[ast.AST], own: set[str]) -> bool:
    """Whether a function of the program's own may be called: by name, or through a name that may hold one."""
    for top in body:
        for node in ast.walk(top):
            if isinstance(node, ast.Call) and not isinstance(node.func, ast.Attribute):
                if not isinstance(node.func, ast.Name) or node.func.id in own:
                    return True
                if any(isinstance(each, ast.Name) and each.id in own for each in ast.walk(node)):
                    return True
    return False


class _Aliases:
    """Names in groups of those that may hold the same value."""

    def __init__(self, tree: ast.Module) -> None:
        self._up: dict[str, str] = {}
        parameters = {
            node.name: [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign):
                self._flow(node.targets, node.value)
            elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
                self._flow([node.target], node.value)
            elif isinstance(node, ast.For | ast.comprehension):
                self._join([*_names(node.target), *_handed_on(node.iter)])
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in parameters:
                given = [*node.args, *(keyword.value for keyword in node.keywords)]
                self._join([*parameters[node.func.id], *(name for each in given for name in _handed_on(each))])

    def root(self, name: str) -> str:
        """The name that stands for the group."""
        while (above := self._up.get(name, name)) != name:
            name = above
        return name

    def _flow(self, targets: list[ast.expr], value: ast.expr) -> None:
        self._join([*(name for target in targets for name in _handed_on(target)), *_handed_on(value)])

    def _join(self, names: list[str]) -> None:
        for name in names[1:]:
            self._up[self.root(name)] = self.root(names[0])


def _handed_on(node: ast.AST) -> Iterator[str]:
    """The names whose very values an expression may hand on, or parts of them."""
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Subscript | ast.Starred | ast.NamedExpr):
        yield from _handed_on(node.value)
    elif isinstance(node, ast.IfExp):
        yield from _handed_on(node.body)
        yield from _handed_on(node.orelse)
    elif isinstance(node, ast.BoolOp):
        yield from (name for value in node.values for name in _handed_on(value))
    elif isinstance(node, ast.Tuple | ast.List):
        yield from (name for value in node.elts for name in _handed_on(value))
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("get", "items", "pop", "setdefault", "values")
    ):
        yield from _handed_on(node.func.value)
