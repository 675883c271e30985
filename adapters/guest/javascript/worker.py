"""The process that reads JavaScript and TypeScript for the host: grammars are C, and hostile code can crash them.

It loads both grammars, shuts itself in and says so with an empty frame. Then it reads requests on stdin until that
ends: a frame of JSON ``[code, language, whether it is a command of a session]``. Each is answered on stdout with a
frame of JSON: the shape (see shape.py), and whether the process has grown so much that it should be ended.
"""

import json
import sys

from adapters.guest.javascript.shape import command_shape, shape
from host.shut_in import has_grown, limit_cpu, read_frame, shut_in, write_frame

__all__ = ["serve"]

_MEMORY_BYTES = 1 << 30
_CPU_SECONDS = 1.0


def serve() -> None:
    """Answer requests until stdin ends."""
    for language in ("javascript", "typescript"):
        shape("'é'; import('a')", language)  # the first parse loads the grammar and the codecs
    shut_in(_MEMORY_BYTES)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    write_frame(answers, b"")
    while (request := read_frame(requests)) is not None:
        limit_cpu(_CPU_SECONDS)
        code, language, is_command = json.loads(request)
        facts = (command_shape if is_command else shape)(code, language)
        write_frame(answers, json.dumps([facts, has_grown()], separators=(",", ":")).encode())
