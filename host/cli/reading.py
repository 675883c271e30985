"""From a command line to an ``ExecutionRequest``: code, inputs, files and limits as they were given."""

import os
import pwd
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from host import values
from host.cli.errors import UsageError
from host.layers import read_list, read_text
from host.models import Actor, File
from host.policy import Limits
from host.specs import LanguageSpec

__all__ = ["caller", "guess_language", "invalid", "read_code", "read_files", "read_inputs", "read_limits"]


def read_code(file: str | None, code: str | None) -> str:
    """The program: ``--code``, a file, or stdin for ``-``.

    Raises:
        UsageError: there is none, there are two, or it cannot be read.
    """
    if (file is None) == (code is None):
        raise UsageError("Name one program.", remedy="Give a file, - for stdin, or --code TEXT.")
    return _text(_bytes(file), file) if file is not None else code or ""


def read_inputs(text: str | None, *, stdin_taken: bool) -> dict[str, Any]:
    """The inputs behind ``--inputs``: JSON in wire form, ``@file.json``, or ``@-`` for stdin.

    Raises:
        UsageError: it cannot be read, or is no JSON object in wire form.
    """
    if text is None:
        return {}
    data = text.encode("utf-8", "surrogatepass")
    if text.startswith("@"):
        if text == "@-" and stdin_taken:
            raise UsageError("Program and inputs cannot both come from stdin.", remedy="Put one of them into a file.")
        data = _bytes(text[1:])
    try:
        inputs = values.loads(data)
    except (values.ValueFormatError, UnicodeDecodeError) as error:
        raise UsageError(f"--inputs: {error}.", remedy='Write JSON, as {"price": 3}, or @file.json.') from None
    if not isinstance(inputs, dict) or not all(isinstance(key, str) for key in inputs):
        raise UsageError("--inputs must be an object with a name for each input.", remedy='Write {"price": 3}.')
    return inputs


def read_files(given: Iterable[str]) -> tuple[File, ...]:
    """The files behind ``--file PATH`` or ``--file PATH=NAME``.

    Raises:
        UsageError: a file cannot be read, or its name is none.
    """
    return tuple(_file(each) for each in given)


def read_limits(given: Sequence[str], timeout_ms: int | None) -> Limits:
    """The limits behind ``--limit NAME=VALUE`` and ``--timeout-ms``.

    Raises:
        UsageError: an unknown limit or a value that it cannot have.
    """
    limits: dict[str, Any] = {} if timeout_ms is None else {"max_execution_time": timeout_ms}
    for each in given:
        name, equals, text = each.partition("=")
        if not equals or name not in Limits.model_fields:
            known = ", ".join(Limits.model_fields)
            raise UsageError(
                f"--limit {each} names no limit and value.", remedy=f"Write NAME=VALUE; limits are {known}."
            )
        limits[name] = read_list(text) if name in ("allowed_imports", "egress_allow") else read_text(text)
    try:
        return Limits.model_validate(limits)
    except ValidationError as error:
        raise invalid(error, "--limit") from None


def guess_language(file: str | None, languages: Iterable[LanguageSpec]) -> str:
    """The language that a file's ending stands for; Python where there is no file.

    Raises:
        UsageError: no language has that ending.
    """
    if file is None or file == "-":
        return "python"
    known = {ending: spec.name for spec in languages for ending in spec.extensions}
    ending = Path(file).suffix.lower()
    if ending not in known:
        remedy = f"Name it with --language; endings that are known: {', '.join(known)}."
        raise UsageError(f"The language of {file} cannot be told from its name.", remedy=remedy)
    return known[ending]


def caller() -> Actor:
    """Who runs this command, for the record."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    return Actor(id=name, type="cli")


def invalid(error: ValidationError, option: str) -> UsageError:
    """What a model would not take, as the command line's own error."""
    told = "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or option}: {problem['msg'].removeprefix('Value error, ')}"
        for problem in error.errors(include_url=False, include_input=False, include_context=False)
    )
    return UsageError(f"{option}: {told}.")


def _file(given: str) -> File:
    path, equals, name = given, "", ""
    if not Path(given).exists():  # a path may itself have = in it
        path, equals, name = given.rpartition("=") if "=" in given else (given, "", "")
    content = _bytes(path)
    try:
        return File(path=name if equals else Path(path).name, content=content)
    except ValidationError as error:
        raise invalid(error, "--file") from None


def _bytes(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from None


def _text(data: bytes, file: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 text (byte {error.start}).", remedy="Save it as UTF-8.") from None
