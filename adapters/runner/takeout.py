"""The files that a program has made, as they come out of its work folder: no more than its policy lets out."""

from host.models import File

__all__ = ["Takeout"]

_MOST_SKIPPED = 100


class Takeout:
    """What has come so far.

    Args:
        most_files: how many may come out.
        most_bytes: how large they may be together.

    Attributes:
        files: what came.
        skipped: what did not, one sentence each; a hundred at most.
        bytes_left: how much more may come.
    """

    def __init__(self, most_files: int = 0, most_bytes: int = 0) -> None:
        self._files_left = most_files
        self.bytes_left = most_bytes
        self.files: list[File] = []
        self.skipped: list[str] = []

    def take(self, body: bytes) -> None:
        """Take one file: two bytes say how long its path is; the path and the content follow."""
        size = int.from_bytes(body[:2], "big")
        path, content = body[2 : 2 + size].decode("utf-8", "replace"), body[2 + size :]
        if self._files_left < 1 or len(content) > self.bytes_left:
            self.skip(f"{path}: more than the policy lets out")
            return
        try:
            file = File(path=path, content=content)
        except ValueError:
            self.skip(f"{path!r}: not a path that can be handed on")
            return
        self._files_left -= 1
        self.bytes_left -= len(content)
        self.files.append(file)

    def skip(self, sentence: str) -> None:
        """Note what did not come out."""
        if len(self.skipped) < _MOST_SKIPPED:
            self.skipped.append(sentence)
