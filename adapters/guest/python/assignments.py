"""Whether a command assigns ``result``, where the variable is there from an earlier command already.

The same object may be assigned once more, so comparing does not tell. Instead the command's tree gets a statement
behind each assignment that notes it: ``__loader__.assigned = True``.
"""

import _ast

__all__ = ["note"]

_NAME = "result"
_SCOPES = (_ast.FunctionDef, _ast.AsyncFunctionDef, _ast.ClassDef)
_BLOCKS = ("body", "orelse", "finalbody")


def note(tree, last):
    """Put the statements into the tree of a command. ``last`` is its last expression, or None."""
    tree.body[:] = _noted(tree.body, here=True)
    if last is not None and _binds(last):
        tree.body.append(_mark(last.body))


def _noted(block, here):
    """The statements of a block. ``here``: whether a plain assignment in it is one to the program's variable."""
    found = []
    for statement in block:
        if isinstance(statement, _SCOPES):
            statement.body[:] = _noted(statement.body, _declares_global(statement.body))
        for part in _parts(statement):
            for inner in _blocks(part):
                inner[:] = _noted(inner, here)
            if here and _blocks(part) and _binds(part):  # a loop, with, case, or a test that assigns
                part.body.insert(0, _mark(part.body[0]))
        found.append(statement)
        passes = isinstance(statement, (_ast.If, _ast.While)) or not _blocks(statement)
        if here and passes and _binds(statement):
            found.append(_mark(statement))
    return found


def _parts(statement):
    """A statement and the handlers and cases in it, where it is no scope of its own."""
    if isinstance(statement, _SCOPES):
        return ()
    return (statement, *getattr(statement, "handlers", ()), *getattr(statement, "cases", ()))


def _blocks(part):
    """The blocks of statements that are in a part."""
    if isinstance(part, _SCOPES):
        return []
    return [block for block in (getattr(part, field, None) for field in _BLOCKS) if isinstance(block, list) and block]


def _binds(node):
    """Whether a statement or expression binds the name, apart from what is in its blocks."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        if _is_binding(current):
            return True
        if isinstance(current, (*_SCOPES, _ast.Lambda)):
            continue
        for field in current._fields:
            value = getattr(current, field, None)
            if _is_elsewhere(current, field, value):
                continue
            waiting += [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, _ast.AST)]
    return False


def _is_elsewhere(node, field, value):
    """Whether a field is a block, binds nothing, or binds a name of a comprehension's own."""
    if isinstance(value, list) and field in (*_BLOCKS, "handlers", "cases"):
        return True
    if field == "target" and isinstance(node, _ast.AnnAssign):
        return node.value is None
    return field == "target" and isinstance(node, _ast.comprehension)


def _is_binding(node):
    if isinstance(node, _ast.Name):
        return node.id == _NAME and isinstance(node.ctx, _ast.Store)
    if isinstance(node, _ast.alias):
        return (node.asname or node.name.partition(".")[0]) == _NAME
    if isinstance(node, _SCOPES) or type(node).__name__ in ("MatchAs", "MatchStar"):
        return node.name == _NAME
    return type(node).__name__ == "MatchMapping" and node.rest == _NAME


def _declares_global(block):
    """Whether ``global result`` stands in the body of a function or class."""
    waiting = list(block)
    while waiting:
        statement = waiting.pop()
        if isinstance(statement, _ast.Global) and _NAME in statement.names:
            return True
        for part in _parts(statement):
            for inner in _blocks(part):
                waiting += inner
    return False


def _mark(node):
    place = {name: getattr(node, name) for name in ("lineno", "col_offset", "end_lineno", "end_col_offset")}
    loader = _ast.Name("__loader__", _ast.Load(), **place)
    target = _ast.Attribute(loader, "assigned", _ast.Store(), **place)
    return _ast.Assign([target], _ast.Constant(value=True, **place), **place)
