"""The import guard: the policy's list of allowed imports, held against the program's own import statements.

It is advice: a guard against honest mistakes, easily got around by code that wants to. The wall is what contains.

It lives in the builtins of the program's module alone, so the standard library imports what it needs.
"""

import builtins

__all__ = ["guarded_builtins"]


def guarded_builtins(allowed):
    """A copy of the builtins whose ``__import__`` lets through the modules in ``allowed`` and their submodules.

    Args:
        allowed: a list. What is in it at the time of an import counts.
    """
    names = dict(vars(builtins))
    names["__import__"] = _guard(allowed, builtins.__import__)
    return names


def _guard(allowed, original):
    def __import__(name, globals=None, locals=None, fromlist=(), level=0):  # noqa: A001, A002, N807 - as the original
        # Functions of the standard library that are written in C (datetime.strptime) import through the program's
        # builtins too; they alone pass a list.
        if level == 0 and type(fromlist) is not list and not _covers(allowed, name, fromlist):
            listed = ", ".join(allowed) or "none"
            raise ImportError(f"`{name}` is not in the policy's allowed imports ({listed}).", name=name)
        return original(name, globals, locals, fromlist, level)

    return __import__


def _covers(allowed, name, fromlist):
    if name == "__future__" or _listed(allowed, name):
        return True
    return bool(fromlist) and all(_listed(allowed, f"{name}.{item}") for item in fromlist)


def _listed(allowed, name):
    return any(name == entry or name.startswith(entry + ".") for entry in allowed)
