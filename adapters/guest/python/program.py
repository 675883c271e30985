"""The program: compiled, run as ``__main__``, and asked for its value."""

import _ast
import builtins
import os
import sys

from . import tracebacks

__all__ = ["Program", "compile_program"]

_ONLY_TREE = 0x400  # ast.PyCF_ONLY_AST, without importing ast
_TOP_LEVEL_AWAIT = 0x2000  # ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_IS_COROUTINE = 0x80  # inspect.CO_COROUTINE
_OWN_NAMES = ("inputs", "result")
_GOES_ON = ("", " ", "\t", "\f", "#", "@", ")", "]", "}")  # what a last line begins with that is no statement itself


class Program:
    """One program in a module of its own that is ``__main__``: made, then loaded, run and asked for its value.

    Args:
        folder: the one that it will be in, where that is known.
    """

    def __init__(self, folder=None):
        self._code = ""
        self._file = tracebacks.FILE
        self._last = None
        self._module = module = type(sys)("__main__")
        self._names = names = module.__dict__
        names["__builtins__"] = builtins
        names["__file__"] = self._file if folder is None else f"{folder}/{self._file}"
        self._placed = folder is not None
        names["__loader__"] = self._source = _Source()
        self._allowed = []
        self._guarded = None
        self._own_main = sys.modules.get("__main__")  # its names must outlive it: the guest may have started from it
        sys.modules["__main__"] = module
        _add_builtins()

    def load(self, code, inputs, allowed_imports, file=tracebacks.FILE):
        """Take the code and its inputs; nothing of it runs yet."""
        self._code = self._source.code = code
        self._names["__builtins__"] = builtins if allowed_imports is None else self._guard(allowed_imports)
        if not self._placed or file != self._file:
            self._names["__file__"] = _path_of(file)
        self._file = file
        _add_inputs(self._names, inputs)

    def run(self):
        """Run the program to its end. What it raises comes out as it is."""
        codes = self._compile()
        if any(code.co_flags & _IS_COROUTINE for code in codes):
            self._last = self._in_loop(self._await(codes))
            return
        for code in codes:
            # With a star, for a plain call counts as a level of recursion only until it has been made a few times.
            self._last = eval(*(code, self._names))

    @property
    def last(self):
        """The value of the last expression, or None."""
        return self._last

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

    def _compile(self):
        return compile_program(self._code, self._file)

    def make_guard(self):
        """Copy the builtins for a program whose imports are guarded; before a fork it costs the process nothing."""
        if self._guarded is None:
            from .imports import guarded_builtins

            self._guarded = guarded_builtins(self._allowed)

    def _guard(self, allowed_imports):
        self.make_guard()
        self._allowed[:] = allowed_imports
        return self._guarded

    def _in_loop(self, coroutine):
        import asyncio

        return asyncio.run(coroutine)

    async def _await(self, codes):
        value = None
        for code in codes:
            value = eval(code, self._names)
            if code.co_flags & _IS_COROUTINE:
                value = await value
        return value


def _path_of(file):
    """Where CPython would say that a program in the current folder lies: programs look for their data beside it."""
    try:
        return os.path.abspath(file)
    except OSError:
        return file


class _Source:
    """The loader of ``__main__``: where inspect, linecache and tracebacks find the source."""

    code = ""

    def get_source(self, name):
        return self.code

    def is_package(self, name):
        return False


def compile_program(code, file, edit=None, flags=0):
    """The program as code objects: its statements, and its last expression where it ends with one.

    Args:
        code: the source.
        file: the name that it has in tracebacks.
        edit: called with the statements and the last expression (or None), as trees that it may change.
        flags: of ``__future__``, as earlier commands of a session have set them.

    Raises:
        SyntaxError: with the line of the source that it is about.
    """
    if code[:1] == "\ufeff":
        code = code[1:]
    nul = code.find("\0")
    if nul >= 0:  # Python versions differ in what they make of it
        line = code.count("\n", 0, nul) + 1
        raise SyntaxError("source code cannot contain null bytes", (file, line, nul - code.rfind("\n", 0, nul), None))
    codes = _compile_apart(code, file, flags) if edit is None else None
    if codes is not None:
        return codes
    try:
        tree = compile(code, file, "exec", _ONLY_TREE | flags, dont_inherit=True)
        last = _ast.Expression(tree.body.pop().value) if tree.body and type(tree.body[-1]) is _ast.Expr else None
        if edit is not None:
            edit(tree, last)
        try:
            return _compile_trees(tree, last, file, flags)
        except SyntaxError as error:
            if "outside" not in str(error.msg):
                raise
            first = error
        try:  # only what needs it is run in an event loop
            return _compile_trees(tree, last, file, flags | _TOP_LEVEL_AWAIT)
        except SyntaxError:
            raise first from None
    except SyntaxError as error:
        tracebacks.add_source_line(error)
        raise


def _compile_apart(code, file, flags):
    """The same without a tree, which is several times the work and memory. None where that cannot be.

    It can where the last line is certain to be the last statement: what stands before it is a program of its own, and
    the line is an expression or gives a value to a name.
    """
    start = code.rstrip().rfind("\n") + 1
    last = code[start:]
    if last[:1] in _GOES_ON or ";" in last or "\r" in code or "__future__" in code:
        return None
    name, _, given = last.partition("=")
    mode = "exec" if given[:1] not in ("", "=") and name.strip().isidentifier() else "eval"
    try:
        tail = compile("\n" * code.count("\n", 0, start) + last, file, mode, flags, dont_inherit=True)
        return (compile(code[:start], file, "exec", flags, dont_inherit=True), tail) if start else (tail,)
    except SyntaxError:
        return None


def _compile_trees(tree, last, file, flags):
    body = compile(tree, file, "exec", flags, dont_inherit=True)
    return (body,) if last is None else (body, compile(last, file, "eval", flags, dont_inherit=True))


def _add_inputs(names, inputs):
    names.update((name, value) for name, value in inputs.items() if _is_plain_name(name))
    if not all(name.isascii() for name in inputs):
        _add_composed_names(names, inputs)
    names["inputs"] = inputs


def _is_plain_name(name):
    if not name.isidentifier() or name in _OWN_NAMES or (name[:2] == "__" and name[-2:] == "__"):
        return False
    from keyword import iskeyword

    return not iskeyword(name)


def _add_composed_names(names, inputs):
    """Python composes identifiers (NFKC) when it reads source, so other names get a second spelling."""
    from unicodedata import normalize

    for name, value in inputs.items():
        composed = normalize("NFKC", name)
        if composed != name and composed not in inputs and _is_plain_name(composed):
            names[composed] = value


def display(*objects, mime=None, title="", raw=False):
    """Show objects beside the value of the program, as a notebook does.

    An object is shown in every form that it has: as a picture, HTML, data, text. Figures, tables of pandas, pictures
    and objects with methods like _repr_html_ have several.

    Args:
        objects: what to show.
        mime: the MIME type of each object, which is then text, bytes or, for JSON, data.
        title: what it is called.
        raw: each object is a dict of MIME types and contents: several forms of one thing.
    """
    from .displays import show

    show(objects, mime, title, raw)


def _add_builtins():
    """``display``; ``exit``, ``quit`` and ``help``, which the module site adds in a CPython that starts with it."""
    builtins.display = display
    if hasattr(builtins, "exit"):
        return
    import _sitebuiltins

    builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D (i.e. EOF)")
    builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D (i.e. EOF)")
    builtins.help = _sitebuiltins._Helper()
