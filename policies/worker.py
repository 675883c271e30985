"""The process that parses long, difficult or natively parsed code, so that hostile code can harm it and nothing else.

It is started for one language, loads its parser, shuts itself in and says so with an empty frame. Then it reads
requests on stdin until that ends, one at a time: a frame with JSON ``[cpu_seconds]`` and a frame with the code. Each is
answered on stdout with one frame of JSON: ``{"facts": ...}`` or ``{"too_complex": reason}``, and ``retires`` where it
has grown so much that it should be ended. A frame is four bytes of length and the bytes.

Shut in, it runs as nobody where the host is root, sees no network, and can open no file, start no process and use only
so much memory: a parser that is taken over by what it parses finds little to reach for.
"""

import contextlib
import importlib
import json
import os
import sys

from host.shut_in import has_grown, limit_cpu, read_frame, shut_in, write_frame
from policies.facts import TooComplexError
from policies.readers import load, read

__all__ = ["MEMORY_BYTES", "become_bash", "serve"]

MEMORY_BYTES = 1 << 30
"""Address space of the worker. Python's parser needs some 560 bytes for each byte of dense code."""

_PLAIN, _DEEP = sys.getrecursionlimit(), 20_000


def serve(language: str) -> None:
    """Answer requests until stdin ends."""
    load(language)
    if language == "sql":
        _warm_duckdb()
    shut_in(MEMORY_BYTES)
    # From Python 3.11 on, sqlglot's own calls take no C stack; Python's parser does, so for it the limit must stay.
    sys.setrecursionlimit(_DEEP if language == "sql" else _PLAIN)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    write_frame(answers, b"")
    while (head := read_frame(requests)) is not None and (code := read_frame(requests)) is not None:
        limit_cpu(json.loads(head)[0])
        found = _answer(code.decode("utf-8", "surrogatepass"), language)
        found["retires"] = has_grown()
        write_frame(answers, json.dumps(found).encode())


def become_bash(bash: str, cpu_seconds: float) -> None:
    """Turn this process, shut in, into ``bash -n``: it parses what is on stdin and runs nothing."""
    shut_in(MEMORY_BYTES, files=True)
    limit_cpu(cpu_seconds)
    os.execve(bash, [bash, "--norc", "-n"], {"LC_ALL": "C"})  # noqa: S606 - its path is found, not given


def _answer(code: str, language: str) -> dict[str, object]:
    try:
        return {"facts": read(code, language, in_worker=True)}
    except TooComplexError as error:
        return {"too_complex": str(error)}
    except (MemoryError, RecursionError):
        return {"too_complex": "parsing it takes more memory than the parser may have"}


def _warm_duckdb() -> None:
    """DuckDB answers where sqlglot finds an error; it opens and starts what it needs with its first statement."""
    with contextlib.suppress(ImportError):
        importlib.import_module("duckdb").extract_statements("SELECT 1")
