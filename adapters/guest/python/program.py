"""The program: compiled, run as ``__main__``, and asked for its value."""

import _ast
import builtins
import sys

from . import tracebacks

__all__ = ["Program"]

_ONLY_TREE = 0x400  # ast.PyCF_ONLY_AST, without importing ast
_TOP_LEVEL_AWAIT = 0x2000  # ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_IS_COROUTINE = 0x80  # inspect.CO_COROUTINE
_OWN_NAMES = ("inputs", "result")


class Program:
    """One program with its inputs, in a module of its own that is ``__main__``."""

    def __init__(self, code, inputs, allowed_imports):
        self._code = code
        self._last = None
        self._module = module = type(sys)("__main__")
        self._names = names = module.__dict__
        names["__builtins__"] = builtins if allowed_imports is None else _guarded(allowed_imports)
        names["__file__"] = tracebacks.FILE
        names["__loader__"] = _Source(code)
        names.update((name, value) for name, value in inputs.items() if _is_plain_name(name))
        _add_composed_names(names, inputs)
        names["inputs"] = inputs
        self._own_main = sys.modules.get("__main__")  # its names must outlive it: the guest may have started from it
        sys.modules["__main__"] = module
        _add_site_builtins()

    def run(self):
        """Run the program to its end. What it raises comes out as it is."""
        body, tail = _compile(self._code)
        codes = (body,) if tail is None else (body, tail)
        if any(code.co_flags & _IS_COROUTINE for code in codes):
            import asyncio

            self._last = asyncio.run(self._await(codes))
            return
        for code in codes:
            self._last = eval(code, self._names)

    def value(self):
        """The variable ``result`` if the program assigned it, else the value of the last expression."""
        return self._names.get("result", self._last)

    def forget(self):
        """Drop the program's names in CPython's order, so that finalizers run."""
        self._last = None
        names = self._names
        for private in (True, False):
            for name in list(names):
                if type(name) is str and name != "__builtins__" and (name[:1] == "_" and name[1:2] != "_") == private:
                    names[name] = None

    async def _await(self, codes):
        value = None
        for code in codes:
            value = eval(code, self._names)
            if code.co_flags & _IS_COROUTINE:
                value = await value
        return value


class _Source:
    """The loader of ``__main__``: where inspect, linecache and tracebacks find the source."""

    def __init__(self, code):
        self._code = code

    def get_source(self, name):
        return self._code

    def is_package(self, name):
        return False


def _compile(code):
    """The program as two code objects: its statements, and its last expression where it ends with one.

    Raises:
        SyntaxError: with the line of the source that it is about.
    """
    if code[:1] == "\ufeff":
        code = code[1:]
    nul = code.find("\0")
    if nul >= 0:  # Python versions differ in what they make of it
        line = code.count("\n", 0, nul) + 1
        raise SyntaxError(
            "source code cannot contain null bytes", (tracebacks.FILE, line, nul - code.rfind("\n", 0, nul), None)
        )
    try:
        tree = compile(code, tracebacks.FILE, "exec", _ONLY_TREE, dont_inherit=True)
        last = _ast.Expression(tree.body.pop().value) if tree.body and type(tree.body[-1]) is _ast.Expr else None
        try:
            return _compile_trees(tree, last, 0)
        except SyntaxError as error:
            if "outside" not in str(error.msg):
                raise
            first = error
        try:  # only what needs it is run in an event loop
            return _compile_trees(tree, last, _TOP_LEVEL_AWAIT)
        except SyntaxError:
            raise first from None
    except SyntaxError as error:
        tracebacks.add_source_line(error, code)
        raise


def _compile_trees(tree, last, flags):
    body = compile(tree, tracebacks.FILE, "exec", flags, dont_inherit=True)
    return body, None if last is None else compile(last, tracebacks.FILE, "eval", flags, dont_inherit=True)


def _is_plain_name(name):
    if not name.isidentifier() or name in _OWN_NAMES or (name[:2] == "__" and name[-2:] == "__"):
        return False
    from keyword import iskeyword

    return not iskeyword(name)


def _add_composed_names(names, inputs):
    """Python composes identifiers (NFKC) when it reads source, so other names get a second spelling."""
    if all(name.isascii() for name in inputs):
        return
    from unicodedata import normalize

    for name, value in inputs.items():
        composed = normalize("NFKC", name)
        if composed != name and composed not in names and _is_plain_name(composed):
            names[composed] = value


def _guarded(allowed_imports):
    from .imports import guarded_builtins

    return guarded_builtins(allowed_imports)


def _add_site_builtins():
    """``exit``, ``quit`` and ``help``, which the module site adds in a CPython that starts with it."""
    if hasattr(builtins, "exit"):
        return
    import _sitebuiltins

    builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D (i.e. EOF)")
    builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D (i.e. EOF)")
    builtins.help = _sitebuiltins._Helper()
