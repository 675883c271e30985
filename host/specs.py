"""The typed records that plugins return from discovery hooks.

They are plain dataclasses in a file of their own so that the CLI can list commands without importing pydantic. A
``target`` is a dotted string, ``package.module:attribute``, loaded on first use.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["AdapterSpec", "CheckSpec", "CommandSpec", "LanguageSpec", "RouteSpec", "load_target"]


@dataclass(frozen=True, slots=True)
class AdapterSpec:
    """An adapter that can be configured by name.

    Attributes:
        name: what configuration and requests call it.
        target: ``module:Class``; the class takes no arguments.
        summary: one line for ``understudy adapters``.
        opt_in: true where using it costs money or lets code leave the machine; then it is used only if
            ``[adapters.NAME] enabled = true``.
    """

    name: str
    target: str | Callable[[], Any]
    summary: str
    opt_in: bool = False


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """A CLI command: ``target`` is a typer-style function, or a ``typer.Typer`` for a group; ``summary`` its help."""

    name: str
    target: str
    summary: str


@dataclass(frozen=True, slots=True)
class RouteSpec:
    """HTTP routes. ``target`` is a ``fastapi.APIRouter``, or a function that takes the host and returns one."""

    name: str
    target: str | Callable[..., Any]


@dataclass(frozen=True, slots=True)
class LanguageSpec:
    """A language: its name in requests, file endings that mean it (with the dot), other names that people use."""

    name: str
    extensions: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """One thing that ``understudy doctor`` looks at beside the adapters.

    ``target`` is an async function of the host that gives ``Finding`` records.
    """

    name: str
    target: str | Callable[..., Any]


def load_target(target: Any) -> Any:
    """The object behind ``module:attribute``; anything but a string is the object itself."""
    if not isinstance(target, str):
        return target
    module, _, attribute = target.partition(":")
    found = importlib.import_module(module)
    for part in filter(None, attribute.split(".")):
        found = getattr(found, part)
    return found
