"""Named policies from TOML files. The name of a policy is the name of its file."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from host.errors import ConfigurationError
from host.policy import Policy

__all__ = ["TRUSTED", "read_policies", "read_policy"]

TRUSTED = "trusted"
"""The policy that requests may name only where the configuration allows it."""


def read_policies(shipped: Path, folder: Path | None, *, allow_trusted: bool) -> Iterator[Policy]:
    """The shipped policies and those of the operator's folder, each in the order of file names.

    Args:
        shipped: the folder with the policies that come with the product.
        folder: the operator's own, or None.
        allow_trusted: whether ``trusted`` is among them.

    Raises:
        ConfigurationError: a folder or file cannot be read, a file is malformed, or two files have one name.
    """
    seen: dict[str, Path] = {}
    for path in (*_toml_files(shipped), *(_toml_files(folder) if folder is not None else ())):
        if path.stem in seen:
            raise ConfigurationError(
                f"policy {path.stem} is in two files, {seen[path.stem]} and {path}.",
                remedy=f"Give {path.name} another name; policies.default says which policy serves where none is named.",
            )
        seen[path.stem] = path
        policy = read_policy(path)
        if allow_trusted or policy.name != TRUSTED:
            yield policy


def read_policy(path: Path) -> Policy:
    """The policy in one file.

    Raises:
        ConfigurationError: it cannot be read or is malformed; the message names file, line or field, reason and remedy.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"policy file {path} cannot be read: {error}.", remedy="Make it a readable UTF-8 file, or move it away."
        ) from error
    except tomllib.TOMLDecodeError as error:  # its message says the line and column
        raise ConfigurationError(f"policy file {path} is not TOML: {error}.", remedy="Mend that line.") from error
    if table.get("name", path.stem) != path.stem:
        raise ConfigurationError(
            f"policy file {path}: name says {table['name']!r}, the file says {path.stem!r}.",
            remedy="Leave the line out: a policy is called what its file is called.",
        )
    if table.get("allowed_imports") == "any":  # TOML has no null
        table["allowed_imports"] = None
    try:
        return Policy.model_validate({**table, "name": path.stem})
    except ValidationError as error:
        raise ConfigurationError(f"policy file {path}: {_faults(error, table)}.", remedy=_REMEDY) from error


_REMEDY = "config/policies/strict.toml shows every field and what it means."


def _toml_files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".toml" and not path.name.startswith("."))
    except OSError as error:
        raise ConfigurationError(
            f"the policy folder {folder} cannot be read: {error.strerror}.",
            remedy="Make it, or set policies.folder to one that exists.",
        ) from error


def _faults(error: ValidationError, table: dict[str, Any]) -> str:
    return "; ".join(_fault(detail, table) for detail in error.errors(include_url=False))


def _fault(detail: Any, table: dict[str, Any]) -> str:
    field = ".".join(str(part) for part in detail["loc"]) or "the whole file"
    if detail["type"] == "extra_forbidden":
        return f"{field} is not a field of a policy"
    if detail["loc"] == ("name",):
        return "the file's name is not a policy's name: small letters, digits, - and _, beginning with a letter"
    shown = f" (it says {detail['input']!r})" if detail["loc"] and detail["loc"][0] in table else ""
    return f"{field}: {detail['msg'].removeprefix('Value error, ')}{shown}"
