"""Recursion that goes through a builtin: monty allows it to a depth of a dozen or so, CPython to hundreds."""

import ast
from collections.abc import Iterator

from adapters.monty.decline import Decline

__all__ = ["recursion_through_builtins"]

_TAKERS = frozenset({"filter", "map", "reduce"})


def recursion_through_builtins(tree: ast.Module) -> None:
    """Look for a function that hands itself, directly or through others, to map, filter, reduce or as a key.

    Raises:
        Decline: there is one.
    """
    functions = dict(_functions(tree))
    mentions = {name: {each for each in _names(node) if each in functions} for name, node in functions.items()}
    for name, node in functions.items():
        for call in ast.walk(node):
            if isinstance(call, ast.Call):
                handed_on = {each for given in _handed_on(call) for each in _names(given) if each in functions}
                if name in _reach(handed_on, mentions):
                    why = "monty allows it to a small depth only"
                    raise Decline(
                        call, "recursion through a builtin", why, "Call the function in a list comprehension."
                    )


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
            yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))


def _handed_on(call: ast.Call) -> Iterator[ast.AST]:
    """The functions that a builtin is given to call."""
    if isinstance(call.func, ast.Name | ast.Attribute):
        name = call.func.id if isinstance(call.func, ast.Name) else call.func.attr
        if name in _TAKERS and call.args:
            yield call.args[0]
    yield from (keyword.value for keyword in call.keywords if keyword.arg == "key")


def _names(node: ast.AST) -> Iterator[str]:
    return (each.id for each in ast.walk(node) if isinstance(each, ast.Name))


def _reach(names: set[str], mentions: dict[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += mentions[name]
    return reached
