"""The process that parses long or difficult code, so that hostile code can exhaust it and nothing else.

It reads requests on stdin until that ends, one at a time: four bytes of length and JSON ``[language, cpu_seconds]``,
four bytes of length and the code. Each is answered on stdout with four bytes of length and JSON: ``{"facts": ...}`` or
``{"too_complex": reason}``, and with ``retires`` where the worker has grown so much that it should be ended. It imports
nothing but readers.
"""

import contextlib
import json
import math
import os
import resource
import struct
import sys
from typing import BinaryIO

from policies.facts import TooComplexError
from policies.readers import read

__all__ = ["MEMORY_BYTES", "serve"]

MEMORY_BYTES = 1 << 30
"""Address space of the worker. Python's parser needs some 560 bytes for each byte of dense code."""

_RETIRE_AT_KIB = 200 * 1024
_PLAIN, _DEEP = sys.getrecursionlimit(), 20_000
_LENGTH = struct.Struct(">I")


def serve() -> None:
    """Answer requests until stdin ends."""
    _limit()
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while (head := _frame(requests)) is not None:
        language, cpu_seconds = json.loads(head)
        code = _frame(requests)
        if code is None:
            return
        used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used + cpu_seconds) + 1, resource.RLIM_INFINITY))
        found = _answer(code.decode("utf-8", "surrogatepass"), language)
        found["retires"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > _RETIRE_AT_KIB
        answer = json.dumps(found).encode()
        answers.write(_LENGTH.pack(len(answer)) + answer)
        answers.flush()


def _answer(code: str, language: str) -> dict[str, object]:
    # From Python 3.11 on, sqlglot's own calls take no C stack; Python's parser does, so for it the limit must stay.
    sys.setrecursionlimit(_DEEP if language == "sql" else _PLAIN)
    try:
        return {"facts": read(code, language, None)}
    except TooComplexError as error:
        return {"too_complex": str(error)}
    except (MemoryError, RecursionError):
        return {"too_complex": "parsing it takes more memory than the parser may have"}


def _limit() -> None:
    """Bound what parsing can take. The deadline is the caller's; these hold even when the caller is gone."""
    with contextlib.suppress(ValueError):  # macOS knows the limit and cannot set it
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    os.nice(5)  # programs that run come before programs that are only looked at


def _frame(stream: BinaryIO) -> bytes | None:
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    body = stream.read(length)
    return body if len(body) == length else None
