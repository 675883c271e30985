"""Which guests there are. Each is imported only when the catalogue is asked for."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import cast

from adapters.guest.contract import Guest
from adapters.guest.environments import Environments

__all__ = ["guests"]

_IN_PYTHON = ("adapters.guest.python.host:PythonGuest", "adapters.guest.sql.host:SqlGuest")
_OTHERS = (
    "adapters.guest.javascript.host:JavaScriptGuest",
    "adapters.guest.javascript.host:TypeScriptGuest",
    "adapters.guest.bash.host:BashGuest",
)
_ELIXIR = "adapters.guest.elixir.host:ElixirGuest"


def guests(state_dir: Path | None = None) -> tuple[Guest, ...]:
    """One guest for each language, whether or not its runtime is on this machine (``find`` says).

    Args:
        state_dir: the host's state folder, where guest environments and the compiled Elixir guest are kept; by default
            the one that settings name.
    """
    environments = Environments(state_dir)
    in_python = tuple(_load(target)(environments) for target in _IN_PYTHON)
    return (*in_python, *(_load(target)() for target in _OTHERS), _load(_ELIXIR)(environments.folder.parent))


def _load(target: str) -> Callable[..., Guest]:
    module, _, name = target.partition(":")
    return cast("Callable[..., Guest]", getattr(importlib.import_module(module), name))
