"""Names of sessions, by which a later host knows whose they were: ``understudy-OWNER--HERE-NUMBER``."""

import hashlib
import itertools
import re
import secrets

__all__ = ["Names"]

_PLAIN = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*")
_LONGEST_OWNER = 48


class Names:
    """The names of one adapter's sessions.

    Args:
        prefix: what all names begin with.
        owner: the host's id.
    """

    def __init__(self, prefix: str, owner: str) -> None:
        self._prefix = prefix
        self._numbers = itertools.count(1)
        self.own = f"{self.of(owner)}{secrets.token_hex(4)}-"
        """What the names of this adapter's sessions begin with, and no other's, not even in the same host."""

    def of(self, owner: str) -> str:
        """What the names of a host's sessions begin with."""
        fits = _PLAIN.fullmatch(owner) and len(owner) <= _LONGEST_OWNER
        tag = owner if fits else f"x{hashlib.sha256(owner.encode()).hexdigest()[:32]}"
        return f"{self._prefix}-{tag}--"

    def new(self) -> str:
        """The next one."""
        return f"{self.own}{next(self._numbers)}"
