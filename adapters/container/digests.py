"""The hashes of files, remembered for as long as the files are as they were: a runtime has hundreds of megabytes."""

import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path

__all__ = ["Digests"]


class Digests:
    """Hashes of files by path.

    Args:
        record: where they are kept between uses; what cannot be kept is worked out again.
    """

    def __init__(self, record: Path) -> None:
        self._record = record
        self._known: dict[str, list[object]] = {}
        self._changed = False
        with contextlib.suppress(OSError, ValueError):
            known = json.loads(record.read_bytes())
            self._known = known if isinstance(known, dict) else {}

    def of(self, path: Path) -> str:
        """The SHA-256 of a file's content.

        Raises:
            OSError: it cannot be read.
        """
        about = path.stat()
        seen = [about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns]
        name = str(path)
        known = self._known.get(name)
        if known and known[:-1] == seen:
            return str(known[-1])
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self._known[name] = [*seen, digest]
        self._changed = True
        return digest

    def keep(self) -> None:
        """Remember them for the next time; those of files that are gone are forgotten."""
        if not self._changed:
            return
        with contextlib.suppress(OSError):
            self._record.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix=".digests-", dir=self._record.parent)
            with os.fdopen(descriptor, "w") as file:
                json.dump({path: known for path, known in self._known.items() if os.path.lexists(path)}, file)
            Path(name).replace(self._record)
            self._changed = False
