"""Whether the order of a Python set can show in what a program gives out.

The order of a set of strings depends on the interpreter's hash seed, which differs from start to start. Going through
a set is harmless where the order cannot show: ``sorted(s)``, ``len(s)``, ``x in s``, ``s == t``, or the set itself as
the result, because its wire form is sorted.
"""

import ast

__all__ = ["is_dict_view", "order_matters"]

_FORGETS_ORDER = frozenset(
    ("all", "any", "bool", "frozenset", "isinstance", "len", "max", "min", "set", "sorted", "sum")
)
_KEEPS_SET = frozenset(("copy", "difference", "intersection", "symmetric_difference", "union"))
_METHODS = frozenset(("add", "clear", "discard", "isdisjoint", "issubset", "issuperset", "remove", "update"))
_UPDATES = frozenset(("difference_update", "intersection_update", "symmetric_difference_update"))


def is_dict_view(node: ast.expr) -> bool:
    """Whether this is ``d.keys()`` or ``d.items()``: between two of them, ``&`` and its like make a set."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("keys", "items")


def order_matters(tree: ast.Module) -> bool:
    """Whether the order of some set in ``tree`` may show; true in doubt."""
    parents: dict[ast.AST, ast.AST] = {}
    loads: dict[str, list[ast.AST]] = {}
    waiting: list[ast.AST] = []
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            parents[child] = node
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            loads.setdefault(node.id, []).append(node)
        elif _makes_set(node):
            waiting.append(node)
    followed: set[str] = set()
    while waiting:
        node = waiting.pop()
        parent = parents[node]
        if _harmless(node, parent):
            continue
        name = _bound_name(node, parent)
        if name is not None:  # then it matters what becomes of the name
            if name not in followed:
                followed.add(name)
                waiting.extend(loads.get(name, ()))
            if isinstance(parent, ast.NamedExpr):
                waiting.append(parent)
            continue
        passed_on = _passed_on(node, parent, parents)
        if passed_on is None:
            return True
        waiting.append(passed_on)
    return False


def _makes_set(node: ast.AST) -> bool:
    if isinstance(node, (ast.Set, ast.SetComp)):
        return True
    if isinstance(node, ast.BinOp):
        return is_dict_view(node.left) or is_dict_view(node.right)
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("set", "frozenset")


def _harmless(node: ast.AST, parent: ast.AST) -> bool:
    if isinstance(parent, (ast.Compare, ast.Expr, ast.If, ast.While, ast.Assert)):
        return True
    if isinstance(parent, ast.Call) and node in parent.args and isinstance(parent.func, ast.Name):
        # with a key, what is equal stays in the order of the set
        return parent.func.id in _FORGETS_ORDER and not any(keyword.arg == "key" for keyword in parent.keywords)
    if isinstance(parent, ast.Call) and node in parent.args and isinstance(parent.func, ast.Attribute):
        return parent.func.attr in _METHODS | _UPDATES | _KEEPS_SET
    if isinstance(parent, ast.Attribute):
        return parent.attr in _METHODS | _UPDATES
    if isinstance(parent, ast.comprehension):
        return False
    return isinstance(parent, ast.UnaryOp) and isinstance(parent.op, ast.Not)


def _bound_name(node: ast.AST, parent: ast.AST) -> str | None:
    if isinstance(parent, ast.Assign) and len(parent.targets) == 1:
        target: ast.expr = parent.targets[0]
    elif isinstance(parent, (ast.AnnAssign, ast.AugAssign, ast.NamedExpr)) and parent.value is node:
        target = parent.target
    else:
        return None
    return target.id if isinstance(target, ast.Name) else None


def _passed_on(node: ast.AST, parent: ast.AST, parents: dict[ast.AST, ast.AST]) -> ast.AST | None:
    """The larger expression that now has the set's order, or None where it is in doubt."""
    if isinstance(parent, (ast.BinOp, ast.BoolOp, ast.IfExp)):
        return parent
    if isinstance(parent, ast.Attribute) and parent.attr in _KEEPS_SET:
        call = parents.get(parent)
        return call if isinstance(call, ast.Call) and call.func is parent else None
    if isinstance(parent, ast.comprehension):
        owner = parents[parent]
        return None if isinstance(owner, ast.DictComp) else owner
    return None
