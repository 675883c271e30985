"""What monty may be given: a walk over the syntax tree against the tables. In doubt it declines, before anything runs.

The walk knows no types. It asks of every node whether it is in a table, and of values that monty treats differently (an
eager ``enumerate``, the order of a set ...) whether they stand where the difference cannot show.
"""

import ast
import builtins

from adapters.monty import modules, table
from adapters.monty.calls import check_call, check_formatted_value
from adapters.monty.decline import Decline
from adapters.monty.loops import changes_while_looping
from adapters.monty.places import Places
from adapters.monty.recursion import recursion_through_builtins

__all__ = ["MAX_CODE_BYTES", "parse", "screen"]

MAX_CODE_BYTES = 16_384
"""Longer code is not parsed in the host's process."""

_BUILTIN_NAMES = frozenset(dir(builtins)) - {"__name__"} | {"display"}  # the guest's own; monty shows nothing
_OPERATORS = (ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context)
_HELPERS = (ast.arguments, ast.arg, ast.keyword, ast.alias, ast.comprehension, ast.ExceptHandler, ast.Module)


def parse(code: str) -> ast.Module:
    """The tree of a program that is short enough to be parsed here.

    Raises:
        Decline: too long, or CPython does not compile it.
    """
    if len(code) > MAX_CODE_BYTES or len(code.encode("utf-8", "replace")) > MAX_CODE_BYTES:
        raise Decline(None, f"the code is longer than {MAX_CODE_BYTES} bytes", "monty takes short programs only")
    try:
        tree = ast.parse(code)
        compile(tree, "program.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Decline(None, "the code", f"CPython does not compile it ({error})") from None
    return tree


def screen(tree: ast.Module, names: frozenset[str], allowed_imports: tuple[str, ...] | None) -> None:
    """Walk the tree.

    Args:
        tree: from ``parse``.
        names: the inputs that the program sees as plain names.
        allowed_imports: the policy's; None is any.

    Raises:
        Decline: at the first construct that is not known to agree.
    """
    _Screen(tree, names, allowed_imports).walk()


class _Screen:
    def __init__(self, tree: ast.Module, names: frozenset[str], allowed_imports: tuple[str, ...] | None) -> None:
        self._tree = tree
        self._allowed = allowed_imports
        self._places = Places(tree)
        self._bound = _bound_names(tree) | names
        self._modules: dict[str, str] = {}  # local name -> module
        self._members: dict[str, tuple[str, str]] = {}  # local name -> (module, member)

    def walk(self) -> None:
        nodes = list(ast.walk(self._tree))
        for node in nodes:
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._import(node)
        self._no_rebinding()
        for node in nodes:
            self._node(node)
        self._places.check(self._class_names())
        changes_while_looping(self._tree)
        recursion_through_builtins(self._tree)

    # --- names --------------------------------------------------------------------------------------------------------

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                self._module(node, alias.name)
                self._modules[alias.asname or alias.name] = alias.name
            return
        module = node.module or ""
        if node.level:
            raise Decline(node, "a relative import", "there is no package to import from")
        self._module(node, module)
        for alias in node.names:
            if alias.name not in modules.MODULES[module]:
                raise Decline(node, f"`{alias.name}` of `{module}`", "monty lacks it, or its answers differ")
            self._members[alias.asname or alias.name] = (module, alias.name)

    def _module(self, node: ast.AST, name: str) -> None:
        if name not in modules.MODULES:
            raise Decline(node, f"`import {name}`", "monty has no such module, or its answers differ")
        if self._allowed is not None and name != "__future__" and name not in self._allowed:
            listed = ", ".join(self._allowed) or "none"
            raise Decline(node, f"`import {name}`", f"it is not in the policy's allowed imports ({listed})")

    def _no_rebinding(self) -> None:
        known = set(table.BUILTINS) | set(self._modules) | set(self._members)
        for name in sorted(known & self._bound):
            raise Decline(
                self._binding(name),
                f"`{name}`",
                "the name of a builtin or an import is given to another value",
                "Choose another name.",
            )

    def _binding(self, name: str) -> ast.AST | None:
        return next((n for n in ast.walk(self._tree) if getattr(n, "id", getattr(n, "arg", None)) == name), None)

    def _class_names(self) -> frozenset[str]:
        from_modules = {local for local, (_, member) in self._members.items() if member in modules.CLASSES}
        return frozenset(table.TYPES | from_modules)

    # --- nodes --------------------------------------------------------------------------------------------------------

    def _node(self, node: ast.AST) -> None:
        if isinstance(node, _OPERATORS):
            if isinstance(node, ast.MatMult):
                raise Decline(None, "the operator @", "monty has none")
            return
        kind = type(node).__name__
        if not isinstance(node, _HELPERS) and kind not in table.SYNTAX and kind != "Attribute":
            raise Decline(node, f"`{_SPOKEN.get(kind, kind)}`", "monty lacks it, or its answers differ")
        check = getattr(self, f"_check_{kind}", None)
        if check is not None:
            check(node)

    def _check_Name(self, node: ast.Name) -> None:  # noqa: N802 - named after the node
        name = node.id
        if name.startswith("__") and name != "__name__":
            raise Decline(node, f"`{name}`", "monty has few names of this kind")
        if not isinstance(node.ctx, ast.Load) or name in self._bound or name in self._modules or name in self._members:
            return
        if name in _BUILTIN_NAMES and name not in table.BUILTINS and name not in table.EXCEPTIONS:
            raise Decline(node, f"`{name}`", "monty lacks it, or its answers differ")

    def _check_Constant(self, node: ast.Constant) -> None:  # noqa: N802
        if isinstance(node.value, complex):
            raise Decline(node, "a complex number", "its answers are not proven to agree")
        if isinstance(node.value, str) and any("\ud800" <= char <= "\udfff" for char in node.value):
            raise Decline(node, "a lone surrogate in text", "monty's text cannot hold it")

    def _check_Attribute(self, node: ast.Attribute) -> None:  # noqa: N802
        if not isinstance(node.ctx, ast.Load):
            raise Decline(node, f"setting `.{node.attr}`", "only classes of one's own have attributes to set")
        owner = node.value.id if isinstance(node.value, ast.Name) and node.value.id not in self._bound else ""
        if owner in self._modules:
            module = self._modules[owner]
            if node.attr not in modules.MODULES[module]:
                raise Decline(node, f"`{module}.{node.attr}`", "monty lacks it, or its answers differ")
            return
        class_name = self._class_of(node.value)
        if class_name:
            if (class_name, node.attr) not in modules.CLASS_METHODS:
                raise Decline(node, f"`{class_name}.{node.attr}`", "monty lacks it, or its answers differ")
            return
        above = self._places.parent(node)
        called = isinstance(above, ast.Call) and above.func is node
        if node.attr in table.DATA_ATTRIBUTES and not called:
            return
        if node.attr not in table.METHODS or not called:
            raise Decline(
                node,
                f"`.{node.attr}`",
                "monty lacks it, or its answers differ",
                "" if called else "Call it where it is read.",
            )

    def _class_of(self, node: ast.AST) -> str:
        if isinstance(node, ast.Name):
            if node.id in self._members:
                return self._members[node.id][1]
            return node.id if node.id in table.TYPES else ""
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in self._modules:
            return node.attr
        return ""

    # --- calls --------------------------------------------------------------------------------------------------------

    def _check_Call(self, node: ast.Call) -> None:  # noqa: N802
        name = self._called(node.func)
        if name is not None:
            check_call(node, name)

    def _called(self, func: ast.AST) -> str | None:
        """The name of what is called, where it is not of the program's own making."""
        if isinstance(func, ast.Name):
            if func.id in self._bound:
                return None
            return self._members[func.id][1] if func.id in self._members else func.id
        return func.attr if isinstance(func, ast.Attribute) else None

    def _check_FormattedValue(self, node: ast.FormattedValue) -> None:  # noqa: N802
        check_formatted_value(node)

    def _check_ExceptHandler(self, node: ast.ExceptHandler) -> None:  # noqa: N802
        if node.name is not None:
            raise Decline(
                node, "`except ... as`", "the texts of exceptions are worded differently", "Catch it without a name."
            )

    def _check_FunctionDef(self, node: ast.FunctionDef) -> None:  # noqa: N802
        for decorator in node.decorator_list:
            target = decorator.func if isinstance(decorator, ast.Call) else decorator
            if self._called(target) not in ("cache", "lru_cache"):
                raise Decline(decorator, "a decorator", "only cache and lru_cache are proven to agree")

    def _check_comprehension(self, node: ast.comprehension) -> None:
        if node.is_async:
            raise Decline(None, "async", "there is no event loop")

    def _check_Dict(self, node: ast.Dict) -> None:  # noqa: N802
        kinds = {type(key.value) for key in node.keys if isinstance(key, ast.Constant)}
        if len(kinds & {bool, int, float}) > 1:
            raise Decline(node, "keys of several kinds of numbers", "of equal keys monty keeps the later one")


def _bound_names(tree: ast.Module) -> frozenset[str]:
    """Every name that the program itself gives to something, imports left out."""
    bound: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bound.add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
    return frozenset(bound)


_SPOKEN = {
    "AsyncFunctionDef": "async def",
    "Await": "await",
    "ClassDef": "class",
    "Delete": "del",
    "Match": "match",
    "TryStar": "except*",
    "With": "with",
    "Yield": "yield",
    "YieldFrom": "yield from",
}
