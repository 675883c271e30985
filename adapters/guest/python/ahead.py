"""Imports, into a process that programs are forked from, what they need to show tables and charts.

What cannot be imported is left to the programs. Matplotlib wants a folder that it can write to, and such a process has
none; so for as long as it is being imported it is given the folder that the environment was built with.
"""

import importlib
import os
import sys

__all__ = []

_MADE = "/guest/site/.matplotlib"
_RC = "/guest/site/matplotlib/mpl-data/matplotlibrc"


def _load_tables():
    for name in ("pandas.io.formats.html", "pandas.io.json", "python.displays", "python.dataframes"):
        importlib.import_module(name)


def _load_pyplot():
    os.environ["MATPLOTLIBRC"] = _RC  # else the folder is asked for before it can be given
    try:
        import matplotlib

        names = ("get_configdir", "get_cachedir")
        own = [getattr(matplotlib, name) for name in names]
        for name in names:
            setattr(matplotlib, name, lambda: _MADE)
        importlib.import_module("matplotlib.pyplot")
        importlib.import_module("python.figures")
        for name, function in zip(names, own):
            setattr(matplotlib, name, function)
    finally:
        del os.environ["MATPLOTLIBRC"]


def _forget(package):
    """What came in half goes out again."""
    for name in list(sys.modules):
        if name.partition(".")[0] == package or name == "python.figures":
            del sys.modules[name]


if "pandas" in sys.modules:
    try:  # noqa: SIM105
        _load_tables()
    except Exception:  # of another release
        pass
if os.path.isdir(_MADE):
    try:
        _load_pyplot()
    except Exception:
        _forget("matplotlib")
