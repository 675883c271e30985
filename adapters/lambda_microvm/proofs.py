"""Which languages have been seen to run, kept so that a host that starts often does not pay for it each time."""

import json
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["Proofs"]


class Proofs:
    """What was proved, for how long, and of which image.

    Args:
        path: where it is kept.
        every_s: after which it is to be proved again.
    """

    def __init__(self, path: Path, every_s: float) -> None:
        self._path = path
        self._every_s = every_s
        self._known: dict[str, Any] = {}
        with suppress(OSError, ValueError):
            known = json.loads(path.read_bytes())
            if isinstance(known, dict):
                self._known = known

    def due(self, image: str, languages: Iterable[str]) -> list[str]:
        """Of these, those that are to be proved: never seen to run in this image, or too long ago."""
        known = self._of(image)
        oldest = time.time() - self._every_s
        absent = known.get("absent", ())
        at = known.get("at", {})
        return [each for each in languages if each not in absent and not oldest < at.get(each, 0) <= time.time()]

    def absent(self, image: str) -> list[str]:
        """The languages that the image does not have."""
        return list(self._of(image).get("absent", ()))

    def keep(self, image: str, ran: Iterable[str], absent: Iterable[str]) -> None:
        """These have just run in this image, and these are not in it."""
        at: Mapping[str, float] = self._of(image).get("at", {})
        self._known = {"image": image, "at": {**at, **dict.fromkeys(ran, time.time())}, "absent": sorted(absent)}
        draft = self._path.with_suffix(".new")
        with suppress(OSError):  # then it is proved again
            draft.write_text(json.dumps(self._known), "utf-8")
            draft.replace(self._path)

    def _of(self, image: str) -> dict[str, Any]:
        return self._known if self._known.get("image") == image else {}
