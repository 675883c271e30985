"""The guest protocol: how a host and the small program inside the wall speak.

Four channels, none of them parsed out of another:

======== ===================== =========================================================================================
fd       direction             carries
======== ===================== =========================================================================================
0        host to guest         one request frame; then the program sees an empty stdin
1, 2     program to host       stdout and stderr, raw
3        guest to host         report frames: ``value``, ``display``, ``error``, ``done``. The caller's code could write
                               here too, so all of it is untrusted: it can only forge its own answer
4        launcher to host      how the program ended and what it used. The launcher runs inside the wall, but the
                               caller's code cannot reach it
======== ===================== =========================================================================================

A frame is four bytes of length, big-endian, and that many bytes of UTF-8 JSON.

Request: ``{"v": 1, "code", "language", "inputs": wire, "allowed_imports": [...] | null, "max_value_bytes": n}``; for
guests with a guest environment also ``"environment": {"name", "remedy"}``, so that a missing package is named with its
remedy; for SQL also ``"memory_mb"``.

Reports, as they happen:

* ``{"kind": "display", "data": {MIME type: content, ...}, "title", "width_px", "height_px"}``: one thing shown, in one
  or more forms. Content is text, or bytes as the wire form has them (``{"$type": "bytes", "value": base64}``). The host
  knows which types are text: bytes of those are UTF-8, and text under any other type is base64. The last three may be
  absent.
* ``{"kind": "value", "value": wire}``
* ``{"kind": "error", "type", "message", "line", "column"}``: an uncaught exception, a syntax error or an exit code
  other than 0; the traceback itself goes to stderr.
* ``{"kind": "done", "exit_code"}``: a command of a session is over, and all that it wrote is out. A guest may say it
  of a single program too, as its last act: the host then need not wait for the process to be gone.

This file is part of the guest: standard library only, Python 3.9 to 3.15.
"""

import os

try:
    from .lazily import json_dumps, json_loads  # inside the wall, where the files of the guest lie side by side
except ImportError:
    from host.lazily import json_dumps, json_loads

__all__ = ["HEAD_BYTES", "VERSION", "FrameError", "pack", "parse", "read_frame", "unpack", "write_frame"]

VERSION = 1

HEAD_BYTES = 4
"""A frame's length stands before it in so many bytes."""


class FrameError(ValueError):
    """A frame is cut short, too long or not JSON."""


def pack(message):
    """One frame. ``message`` is a JSON-able dict, or bytes that hold JSON already."""
    body = message if isinstance(message, bytes) else json_dumps(message).encode("ascii")
    return len(body).to_bytes(HEAD_BYTES, "big") + body


def unpack(data, max_bytes):
    """The messages in ``data``, one frame after the other, as dicts.

    Raises:
        FrameError: cut short, longer than ``max_bytes``, or not a JSON object.
    """
    position = 0
    while position < len(data):
        if len(data) - position < HEAD_BYTES:
            raise FrameError("a frame is cut short")
        length = int.from_bytes(data[position : position + HEAD_BYTES], "big")
        if length > max_bytes:
            raise FrameError(f"a frame of {length} bytes is over the limit of {max_bytes}")
        body = data[position + HEAD_BYTES : position + HEAD_BYTES + length]
        if len(body) < length:
            raise FrameError("a frame is cut short")
        yield parse(body)
        position += HEAD_BYTES + length


def read_frame(fd):
    """The next frame on a blocking descriptor, as a dict; None at its end.

    Raises:
        FrameError: cut short or not a JSON object.
    """
    head = _read_exactly(fd, HEAD_BYTES)
    if not head:
        return None
    length = int.from_bytes(head, "big")
    body = _read_exactly(fd, length)
    if len(body) < length:
        raise FrameError("a frame is cut short")
    return parse(body)


def write_frame(fd, message):
    """Write one frame to a blocking descriptor."""
    data = memoryview(pack(message))
    while data:
        data = data[os.write(fd, data) :]


def _read_exactly(fd, count):
    chunks = []
    while count:
        chunk = os.read(fd, min(count, 1 << 20))
        if not chunk:
            break
        chunks.append(chunk)
        count -= len(chunk)
    return b"".join(chunks)


def parse(body):
    """The message that the bytes of one frame hold.

    Raises:
        FrameError: not a JSON object.
    """
    try:
        message = json_loads(bytes(body).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise FrameError(f"a frame is not JSON: {error}") from None
    if type(message) is not dict:
        raise FrameError("a frame holds a JSON object")
    return message
