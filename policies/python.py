"""What the syntax tree of Python code says: imports, tricks, and whether its outputs can differ from run to run.

The syntax is that of the Python that runs the host. Nothing here recurses, so deep code cannot end the host.
"""

import ast
import warnings
from collections.abc import Callable
from typing import Any

from policies import python_sets
from policies.facts import Facts, Mark, TooComplexError, Weight, words
from policies.notes import Notes

__all__ = ["read"]

_STEADY_MODULES = words("""
    __future__ abc array ast base64 binascii bisect cmath collections colorsys contextlib copy csv dataclasses
    datetime decimal difflib enum fractions functools graphlib hashlib heapq html io itertools json keyword math
    numbers operator pprint re reprlib statistics string stringprep struct textwrap types typing unicodedata zlib
""")
"""Modules whose functions give the same for the same arguments, but for what ``_UNSTEADY_ATTRIBUTES`` names."""

_UNSTEADY_NAMES = words("""
    __builtins__ __file__ __import__ __loader__ __spec__ breakpoint compile dir eval exec globals hash help id input
    locals object open vars
""")
_UNSTEADY_ATTRIBUTES = words("""
    astimezone attrgetter fromtimestamp methodcaller mktime now samples timestamp today utcnow
""")
_PLAIN_DUNDERS = words("""
    __add__ __annotations__ __call__ __class__ __contains__ __doc__ __enter__ __eq__ __exit__ __future__ __ge__
    __getitem__ __gt__ __init__ __init_subclass__ __iter__ __le__ __len__ __lt__ __mul__ __name__ __ne__ __new__
    __next__ __post_init__ __qualname__ __repr__ __setitem__ __str__ __sub__ __truediv__
""")

_RUNS_TEXT = words("compile eval exec")
_INTERNALS = words("""
    __bases__ __base__ __builtins__ __closure__ __code__ __getattribute__ __globals__ __import__ __loader__ __mro__
    __reduce__ __reduce_ex__ __spec__ __subclasses__ ag_frame cr_frame f_back f_builtins f_globals f_locals gi_frame
    tb_frame
""")
_OUTSIDE = {
    "_ctypes": "calls native code",
    "ctypes": "calls native code",
    "mmap": "maps memory",
    "multiprocessing": "starts processes",
    "pty": "starts processes",
    "signal": "sends signals",
    "subprocess": "starts programs",
    "ftplib": "uses the network",
    "http": "uses the network",
    "httpx": "uses the network",
    "requests": "uses the network",
    "smtplib": "uses the network",
    "socket": "uses the network",
    "socketserver": "uses the network",
    "ssl": "uses the network",
    "urllib3": "uses the network",
}

_ADDRESS_MAKERS = frozenset(("enumerate", "filter", "iter", "map", "object", "reversed", "zip"))
_SHOWERS = frozenset(("ascii", "format", "print", "repr", "str"))
_NAMED_BASES = words("Enum Flag IntEnum IntFlag NamedTuple Protocol StrEnum TypedDict")


def read(code: str) -> Facts:
    """The facts of Python code.

    Raises:
        TooComplexError: the parser gave up: nested too deeply.
    """
    try:
        with warnings.catch_warnings():  # an invalid escape is the program's own business
            warnings.simplefilter("ignore")
            tree = ast.parse(code)
    except SyntaxError as error:
        return Facts(error=_syntax_error(error))
    except (RecursionError, MemoryError):  # MemoryError is what the parser calls its own full stack
        raise TooComplexError("it is nested too deeply for Python's own parser") from None
    except ValueError as error:  # NUL, or what is not Unicode
        return Facts(error=Mark("syntax-error", Weight.NOTE, 1, 1, f"SyntaxError: {error}"))
    return _Reader(code, tree).facts()


def _syntax_error(error: SyntaxError) -> Mark:
    message = f"{type(error).__name__}: {error.msg}"
    return Mark("syntax-error", Weight.NOTE, error.lineno or 1, max(1, error.offset or 1), message)


class _Reader:
    """One walk over one tree."""

    def __init__(self, code: str, tree: ast.Module) -> None:
        self._tree = tree
        self._notes = Notes(code.encode("utf-8", "replace"))
        self._bound: set[str] = set()
        self._unsteady_loads: set[str] = set()
        self._opaque_names: set[str] = set()
        self._shown: list[ast.expr] = []
        self._has_sets = False

    def facts(self) -> Facts:
        stack: list[ast.AST] = [self._tree]
        while stack:
            node = stack.pop()
            visit = _VISITS.get(type(node))
            if visit is not None:
                visit(self, node)
            children: list[ast.AST] = []
            for name in node._fields:
                value = getattr(node, name, None)
                if isinstance(value, ast.AST):
                    children.append(value)
                elif type(value) is list:
                    children.extend(item for item in value if isinstance(item, ast.AST))
            children.reverse()
            stack.extend(children)
        self._settle()
        return self._notes.facts()

    def _settle(self) -> None:
        """What can only be said once the whole tree has been seen."""
        doubted = self._notes.doubted
        for name in sorted(self._unsteady_loads - self._bound):
            doubted(f"it uses {name}")
        last = self._tree.body[-1] if self._tree.body else None
        if isinstance(last, ast.Expr):
            self._shown.append(last.value)
        if any(self._shows_address(shown) for shown in self._shown):
            doubted("it shows an object by its address")
        if self._has_sets and python_sets.order_matters(self._tree):
            doubted("it goes through a set, whose order is not fixed")

    def _shows_address(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Name):
            return node.id in self._opaque_names
        return _makes_address(node)

    # --- imports ------------------------------------------------------------------------------------------------------

    def imports(self, node: ast.Import) -> None:
        for alias in node.names:
            self._uses(alias.name, alias)

    def imports_from(self, node: ast.ImportFrom) -> None:
        if node.level or node.module is None:
            self._notes.doubted("it imports from its own package")
            return
        self._uses(node.module, node, tuple(alias.name for alias in node.names))

    def _uses(self, module: str, node: ast.AST, members: tuple[str, ...] = ()) -> None:
        if module == "__future__":  # a switch of the parser, not a module
            return
        line, offset = _place(node)
        self._notes.use(module, line, offset, members)
        top = module.partition(".")[0]
        if top not in _STEADY_MODULES:
            self._notes.doubted(f"it imports {module}")
        what = "uses the network" if module in ("urllib.request", "asyncio.streams") else _OUTSIDE.get(top)
        if what:
            self._notes.mark(
                "reaches-outside", Weight.NOTE, line, offset, f"`{module}` {what}; the wall bounds what it can do."
            )

    # --- expressions --------------------------------------------------------------------------------------------------

    def call(self, node: ast.Call) -> None:
        function = node.func
        if isinstance(function, ast.Name):
            name = function.id
            if name in _UNSTEADY_NAMES:
                self._notes.doubted(f"it calls {name}")
            if name in _SHOWERS:
                self._shown.extend(node.args)
            elif name in ("set", "frozenset"):
                self._has_sets = True
            elif name in ("getattr", "hasattr", "setattr", "delattr"):
                self._reflects(node)
            if name in _RUNS_TEXT:
                message = f"`{name}` runs text that is not checked."
                self._notes.mark("runs-text", Weight.TRICK, *_place(node), message, "Write the code out.")
        else:
            name = function.attr if isinstance(function, ast.Attribute) else ""
        if name in ("__import__", "import_module"):
            self._dynamic_import(node)

    def _dynamic_import(self, node: ast.Call) -> None:
        first = node.args[0] if node.args else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            self._uses(first.value, node)
            return
        self._notes.doubted("it imports by a computed name")
        message = "The name of an imported module is computed, so it cannot be checked."
        self._notes.mark("import-not-constant", Weight.TRICK, *_place(node), message, "Import the module by its name.")

    def _reflects(self, node: ast.Call) -> None:
        """For getattr and its like a constant name counts as the attribute, any other is in doubt."""
        second = node.args[1] if len(node.args) > 1 else None
        if isinstance(second, ast.Constant) and isinstance(second.value, str):
            self._attribute_name(second.value, node)
        else:
            self._notes.doubted("it reaches for an attribute by a computed name")

    def attribute(self, node: ast.Attribute) -> None:
        self._attribute_name(node.attr, node)

    def _attribute_name(self, name: str, node: ast.AST) -> None:
        if name in _UNSTEADY_ATTRIBUTES or (name[:2] == "__" == name[-2:] and name not in _PLAIN_DUNDERS):
            self._notes.doubted(f"it uses .{name}")
        if name in _INTERNALS:
            self._internals(name, node)

    def _internals(self, name: str, node: ast.AST) -> None:
        message = f"`{name}` reaches the interpreter's insides."
        self._notes.mark("reaches-internals", Weight.TRICK, *_place(node), message, "Do without it.")

    def name(self, node: ast.Name) -> None:
        name = node.id
        if not isinstance(node.ctx, ast.Load):
            self._bound.add(name)
        elif name in _UNSTEADY_NAMES:
            self._unsteady_loads.add(name)
            if name in _INTERNALS and name != "__import__":
                self._internals(name, node)

    def binary(self, node: ast.BinOp) -> None:
        if isinstance(node.op, (ast.BitAnd, ast.BitOr, ast.BitXor, ast.Sub)):
            self._has_sets = self._has_sets or any(python_sets.is_dict_view(side) for side in (node.left, node.right))

    def makes_set(self, node: ast.AST) -> None:
        self._has_sets = True

    def formatted(self, node: ast.FormattedValue) -> None:
        self._shown.append(node.value)

    # --- statements ---------------------------------------------------------------------------------------------------

    def argument(self, node: ast.arg) -> None:
        self._bound.add(node.arg)

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._bound.add(node.name)
        self._opaque_names.add(node.name)

    def class_definition(self, node: ast.ClassDef) -> None:
        self._bound.add(node.name)
        if not _has_own_text(node):
            self._notes.doubted(f"objects of class {node.name} show as their address")

    def assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                if _makes_address(node.value):
                    self._opaque_names.add(target.id)
                if target.id == "result":
                    self._shown.append(node.value)


def _place(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 1), getattr(node, "col_offset", 0)


def _makes_address(node: ast.expr) -> bool:
    """Whether the text of this value is its address, as in ``<generator object at 0x...>``."""
    if isinstance(node, (ast.Lambda, ast.GeneratorExp)):
        return True
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _ADDRESS_MAKERS


def _has_own_text(node: ast.ClassDef) -> bool:
    for base in node.bases:
        name = base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")
        if name in _NAMED_BASES or name.endswith(("Error", "Exception", "Warning")):
            return True
    if any("dataclass" in ast.dump(decorator) for decorator in node.decorator_list):
        return True
    return any(isinstance(each, ast.FunctionDef) and each.name in ("__repr__", "__str__") for each in node.body)


_VISITS: dict[type[ast.AST], Callable[[_Reader, Any], None]] = {
    ast.Import: _Reader.imports,
    ast.ImportFrom: _Reader.imports_from,
    ast.Call: _Reader.call,
    ast.Attribute: _Reader.attribute,
    ast.Name: _Reader.name,
    ast.BinOp: _Reader.binary,
    ast.Set: _Reader.makes_set,
    ast.SetComp: _Reader.makes_set,
    ast.FormattedValue: _Reader.formatted,
    ast.arg: _Reader.argument,
    ast.FunctionDef: _Reader.function,
    ast.AsyncFunctionDef: _Reader.function,
    ast.ClassDef: _Reader.class_definition,
    ast.Assign: _Reader.assign,
}
