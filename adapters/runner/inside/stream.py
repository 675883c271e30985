"""The way to the host: messages as they come, or one line of text at the end.

Runs inside a wall: standard library only, Python 3.9 to 3.15.
"""

import base64
import os
import zlib

_LINE_BYTES = 4
_MOST_UNSENT = 1 << 16
_QUICKLY = 1
_STREAMS = (b"o", b"e", b"r")


def message(kind, body):
    """One message: a letter, eight bytes of length, the body."""
    return kind + len(body).to_bytes(8, "big") + body


class Line:
    """Messages as they come: what comes at once is sent at once, for each piece wakes everybody on the way."""

    def __init__(self, descriptor):
        self._descriptor = descriptor
        self._unsent = bytearray()

    def tell(self, kind, body=b""):
        """Take one message."""
        self._unsent += message(kind, body)
        if len(self._unsent) >= _MOST_UNSENT:
            self.flush()

    def flush(self):
        """Send what was taken. Where nobody takes it any more it is lost."""
        unsent, self._unsent = self._unsent, bytearray()
        view = memoryview(unsent)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except BrokenPipeError:
            pass

    def close(self):
        """Nothing more comes."""
        self.flush()
        os.close(self._descriptor)


class Text:
    """All messages, compressed, as one line of base64.

    Args:
        descriptor: where it goes.
        most: how many bytes the line may have. A file that it has no room for is named and left out.
    """

    def __init__(self, descriptor, most):
        self._descriptor = descriptor
        self._most = most * 3 // 4 - _LINE_BYTES
        self._compress = zlib.compressobj(_QUICKLY)
        self._made = bytearray()
        self._kind = b""
        self._pieces = bytearray()

    def tell(self, kind, body=b""):
        """Keep one message. Pieces of one stream that follow one another become one."""
        if kind != self._kind or len(self._pieces) >= _MOST_UNSENT:
            self._put_pieces()
        if kind in _STREAMS:
            self._kind = kind
            self._pieces += body
        else:
            self._put(kind, body)

    def _put_pieces(self):
        if self._kind:
            kind, body = self._kind, bytes(self._pieces)
            self._kind, self._pieces = b"", bytearray()
            self._put(kind, body)

    def _put(self, kind, body):
        whole = message(kind, body)
        if kind == b"F" and not self._has_room_for(whole):
            path = body[2 : 2 + int.from_bytes(body[:2], "big")]
            whole = message(b"S", path[:200] + b": there is no room for it in the answer")
        self._made += self._compress.compress(whole)

    def flush(self):
        """It is sent as a whole."""

    def close(self):
        """Send the line."""
        self._put_pieces()
        self._made += self._compress.flush()
        view = memoryview(base64.b64encode(bytes(self._made)) + b"\n")
        while view:
            view = view[os.write(self._descriptor, view) :]
        os.close(self._descriptor)

    def _has_room_for(self, whole):
        """Compression is tried, for what is kept cannot be taken back."""
        self._made += self._compress.flush(zlib.Z_SYNC_FLUSH)
        left = self._most - len(self._made) - 1024
        return len(whole) + len(whole) // 1000 < left or len(zlib.compress(whole, _QUICKLY)) < left
