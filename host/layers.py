"""Layers of settings: how a file, the environment and arguments become dotted keys, each with its origin.

A layer is a mapping from dotted key (``server.port``) to ``Entry``. Later layers win, key by key.
"""

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host.errors import ConfigurationError
from host.resources import config_folder

__all__ = [
    "Argument",
    "Entry",
    "Layer",
    "argument_layer",
    "environment_layer",
    "file_layer",
    "flatten",
    "merge",
    "nest",
    "read_layers",
    "read_list",
    "read_switch",
    "read_text",
]

_PREFIX = "UNDERSTUDY_"
_NOT_SETTINGS = ("UNDERSTUDY_CONFIG", "UNDERSTUDY_CORPORA")  # the file itself; where benchmarks find their corpora
_ON, _OFF = ("true", "1", "yes", "on"), ("false", "0", "no", "off")
_HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]")
_ASSIGNMENT = re.compile(r"\s*([A-Za-z0-9_\-.\"' ]+?)\s*=")


@dataclass(frozen=True, slots=True)
class Entry:
    """One value as a layer gives it.

    Attributes:
        value: plain data.
        origin: where it came from, for people.
        text: the value is text from the environment or a command line, to be read as the type that the key has.
        folder: what a relative path is relative to; None is the working folder.
    """

    value: Any
    origin: str
    text: bool = False
    folder: Path | None = None


Layer = Mapping[str, Entry]


@dataclass(frozen=True, slots=True)
class Argument:
    """A value from a command line: its text, and the option that gave it, as ``--port``."""

    text: str
    option: str


def read_layers(
    config_file: Path | None, environ: Mapping[str, str] | None, overrides: Mapping[str, Any] | None
) -> list[Layer]:
    """Every layer, the strongest last. See ``host.settings.load_settings``.

    Raises:
        ConfigurationError: a file cannot be read.
    """
    environ = os.environ if environ is None else environ
    named = config_file or (Path(environ["UNDERSTUDY_CONFIG"]) if environ.get("UNDERSTUDY_CONFIG") else None)
    layers = [file_layer(config_folder() / "default.toml", "default")]
    if named is not None:
        layers.append(file_layer(named))
    return [*layers, environment_layer(environ), argument_layer(overrides or {})]


def file_layer(path: Path, origin: str | None = None) -> Layer:
    """The settings in a TOML file. Origins carry the line, unless ``origin`` names the whole file.

    Raises:
        ConfigurationError: there is no such file, or it is not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except FileNotFoundError:
        message = f"The configuration file {path} does not exist."
        raise ConfigurationError(message, remedy="Name another with --config or UNDERSTUDY_CONFIG.") from None
    except OSError as error:
        raise ConfigurationError(f"The configuration file {path} cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        message = f"The configuration file {path} is not TOML: {error}."
        raise ConfigurationError(message, remedy="See config/default.toml for the form.") from None
    lines = _lines(text)
    folder = path.resolve().parent
    return {key: Entry(value, origin or _at(path, lines, key), folder=folder) for key, value in flatten(data)}


def environment_layer(environ: Mapping[str, str]) -> Layer:
    """The settings in variables that begin with ``UNDERSTUDY_``; ``__`` stands for the dot."""
    return {
        name.removeprefix(_PREFIX).lower().replace("__", "."): Entry(value, f"environment {name}", text=True)
        for name, value in environ.items()
        if name.startswith(_PREFIX) and name not in _NOT_SETTINGS
    }


def argument_layer(overrides: Mapping[str, Any]) -> Layer:
    """The settings that a caller gave: dotted keys or nested tables, plain data or ``Argument``."""
    flat = flatten({key.replace("__", "."): value for key, value in overrides.items()})
    return {
        key: Entry(value.text, f"argument {value.option}", text=True)
        if isinstance(value, Argument)
        else Entry(value, f"argument {key}")
        for key, value in flat
    }


def flatten(data: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and their values, tables opened up. An empty table is a value: ``{}``."""
    for key, value in data.items():
        dotted = f"{above}.{key}" if above else key
        if isinstance(value, Mapping) and value:
            yield from flatten(value, dotted)
        else:
            yield dotted, value


def merge(layers: list[Layer]) -> dict[str, Entry]:
    """One layer out of many: the last that gives a key wins. A value replaces a table of its name, a table a value."""
    merged: dict[str, Entry] = {}
    for layer in layers:
        for key, entry in layer.items():
            if entry.value == {}:  # an empty table takes nothing away
                merged.setdefault(key, entry)
                continue
            parts = key.split(".")
            for rival in [".".join(parts[:length]) for length in range(1, len(parts))]:
                merged.pop(rival, None)
            for rival in [other for other in merged if other.startswith(f"{key}.")]:
                del merged[rival]
            merged[key] = entry
    return merged


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The tree behind dotted keys."""
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        *path, last = key.split(".")
        table = tree
        for part in path:
            table = table.setdefault(part, {})
        if value == {}:
            table.setdefault(last, {})
        else:
            table[last] = value
    return tree


def read_text(text: str) -> Any:
    """Text for a key of no fixed type: JSON where it is JSON, otherwise the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def read_list(text: str) -> list[Any]:
    """The members of a list, written with commas or as JSON."""
    listed = read_text(text) if text.strip().startswith("[") else None
    return listed if isinstance(listed, list) else [part.strip() for part in text.split(",") if part.strip()]


def read_switch(text: str) -> Any:
    """True or false behind the word for it; what is no such word stays text."""
    word = text.strip().lower()
    return word in _ON if word in _ON or word in _OFF else text


def _lines(text: str) -> dict[str, int]:
    """The line of each key, as well as it can be told without a parser that keeps lines."""
    found: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _bare(header[1])
        elif assignment := _ASSIGNMENT.match(line):
            key = _bare(assignment[1])
            found.setdefault(f"{table}.{key}" if table else key, number)
    return found


def _bare(key: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in key.split("."))


def _at(path: Path, lines: Mapping[str, int], key: str) -> str:
    while key and key not in lines:  # keys of an inline table have the line of the table
        key = key.rpartition(".")[0]
    return f"file {path}:{lines[key]}" if key else f"file {path}"
