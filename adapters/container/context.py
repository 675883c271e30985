"""The context of a build as a tar stream, straight from disk: the same files give the same bytes."""

import asyncio
import tarfile
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

from adapters.container.rootfs import Entry, Layer

__all__ = ["Context"]

_CHUNK_BYTES = 1 << 20
_BLOCK_BYTES = 512
_END = bytes(2 * _BLOCK_BYTES)
_KINDS = {"file": tarfile.REGTYPE, "folder": tarfile.DIRTYPE, "link": tarfile.SYMTYPE}


class Context:
    """What the engine is sent to build from.

    Args:
        dockerfile: its text.
        layers: each in a folder of its name.
    """

    def __init__(self, dockerfile: str, layers: Sequence[Layer]) -> None:
        self._dockerfile = dockerfile.encode("utf-8")
        self._layers = layers

    @property
    def length(self) -> int:
        """How many bytes the stream has."""
        sizes = [len(head) + _padded(size) for head, size, _ in self._members()]
        return len(self._dockerfile_member()) + sum(sizes) + len(_END)

    async def stream(self) -> AsyncIterator[bytes]:
        """The stream in pieces; they are read in a thread.

        Raises:
            OSError: a file cannot be read, or has changed while it was.
        """
        pieces = self.pieces()
        while piece := await asyncio.to_thread(next, pieces, b""):
            yield piece

    def pieces(self) -> Iterator[bytes]:
        """The same, for those who may wait."""
        gathered = bytearray(self._dockerfile_member())
        for head, size, source in self._members():
            gathered += head
            for piece in _content(source, size):
                gathered += piece
                if len(gathered) >= _CHUNK_BYTES:
                    yield bytes(gathered)
                    gathered.clear()
        yield bytes(gathered + _END)

    def _dockerfile_member(self) -> bytes:
        size = len(self._dockerfile)
        head = _head("Dockerfile", Entry("file", mode=0o644), size)
        return head + self._dockerfile + bytes(_padded(size) - size)

    def _members(self) -> Iterator[tuple[bytes, int, Path | None]]:
        for layer in self._layers:
            yield _head(layer.name, Entry("folder"), 0), 0, None
            for place, entry in layer.entries.items():
                size = entry.source.stat().st_size if entry.source else 0
                yield _head(f"{layer.name}/{place}", entry, size), size, entry.source


def _head(name: str, entry: Entry, size: int) -> bytes:
    """The header of one member: nobody's time, nobody's name, root's."""
    info = tarfile.TarInfo(name)
    info.type = _KINDS[entry.kind]
    info.mode = entry.mode
    info.size = size
    info.linkname = entry.target
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _content(source: Path | None, size: int) -> Iterator[bytes]:
    if source is None:
        return
    left = size
    with source.open("rb") as file:
        while left:
            piece = file.read(min(left, _CHUNK_BYTES))
            if not piece:
                raise OSError(f"{source} has become shorter while it was read")
            left -= len(piece)
            yield piece
    yield bytes(_padded(size) - size)


def _padded(size: int) -> int:
    return -(-size // _BLOCK_BYTES) * _BLOCK_BYTES
