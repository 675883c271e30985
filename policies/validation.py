"""The door that all code passes: read, judge, remember.

Short Python and SQL is read where it arrives, in well under a millisecond. What is long goes to a worker process with a
deadline, and so does every language whose parser is native code, because such parsers can be crashed. Verdicts are
remembered by code, language and policy.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Mapping
from hashlib import sha256
from typing import Any
from weakref import WeakKeyDictionary

from host.models import Verdict
from host.policy import Policy
from host.settings import PolicySettings
from policies.facts import NeedsWorkerError, TooComplexError
from policies.judge import denied, judge
from policies.pool import ParsingPool
from policies.readers import READERS, is_loaded, load, read

__all__ = ["Door", "door"]

_CACHE_SIZE = 2048

_Key = tuple[bytes, str, str]


class Door:
    """Validation for the hosts of one event loop: one cache and one pool, whoever asks."""

    def __init__(self) -> None:
        self._hosts: list[Any] = []
        self._policies: Mapping[str, Policy] = {}
        self._verdicts: OrderedDict[_Key, Verdict] = OrderedDict()
        self._pool: ParsingPool | None = None
        defaults = PolicySettings()
        self._max_code_bytes = defaults.max_code_bytes
        self._deadline_ms = defaults.worker_deadline_ms

    def enter(self, host: Any) -> None:
        """A host starts: from now on its limits hold too. Where several share a loop, the smallest limit counts."""
        self._hosts.append(host)
        self._configure()

    async def leave(self, host: Any) -> None:
        """A host stops; with the last one the workers end."""
        self._hosts = [each for each in self._hosts if each is not host]
        if self._hosts:
            self._configure()
        else:
            await self.aclose()

    async def aclose(self) -> None:
        """End the workers. They start again when they are needed."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.aclose()

    def _configure(self) -> None:
        sections = [host.settings.policies for host in self._hosts]
        self._max_code_bytes = min(section.max_code_bytes for section in sections)
        self._deadline_ms = min(section.worker_deadline_ms for section in sections)
        self._policies = {name: policy for host in self._hosts for name, policy in host.policies.items()}
        self._verdicts.clear()

    def validate(self, code: str, language: str, policy: Policy) -> "Verdict | Awaitable[Verdict] | None":
        """The verdict; an awaitable where reading takes a worker; None for a language without a reader."""
        if language not in READERS:
            return None
        data = code.encode("utf-8", "surrogatepass")
        if len(data) > self._max_code_bytes:
            message = f"The code has {len(data)} bytes; {self._max_code_bytes} are allowed."
            remedy = "Send data as inputs or files, or raise policies.max_code_bytes."
            return denied("code-too-large", message, remedy, policy)
        key = (sha256(data).digest(), language, policy.sha256)
        known = self._verdicts.get(key)
        if known is not None:
            self._verdicts.move_to_end(key)
            return known
        if len(data) > READERS[language].inline_bytes:
            return self._by_worker(code, language, policy, key)
        if not is_loaded(language):
            return self._after_loading(code, language, policy, key)
        return self._at_once(code, language, policy, key)

    def _at_once(self, code: str, language: str, policy: Policy, key: _Key) -> Verdict | Awaitable[Verdict]:
        try:
            facts = read(code, language, in_worker=False)
        except NeedsWorkerError:
            return self._by_worker(code, language, policy, key)
        except TooComplexError as error:
            return self._too_complex(error, policy)
        return self._remember(key, judge(facts, language, policy, self._policies))

    async def _after_loading(self, code: str, language: str, policy: Policy, key: _Key) -> Verdict:
        """Importing a parser takes too long for the event loop."""
        await asyncio.to_thread(load, language)
        answer = self._at_once(code, language, policy, key)
        return answer if isinstance(answer, Verdict) else await answer

    async def _by_worker(self, code: str, language: str, policy: Policy, key: _Key) -> Verdict:
        if self._pool is None:
            self._pool = ParsingPool()
        deadline_ms = min(self._deadline_ms, policy.max_execution_time)
        try:
            facts = await self._pool.read(code, language, deadline_ms / 1000)
        except TooComplexError as error:
            return self._too_complex(error, policy)
        return self._remember(key, judge(facts, language, policy, self._policies))

    def _too_complex(self, error: TooComplexError, policy: Policy) -> Verdict:
        message = f"The code is too complex to check: {error}."
        return denied("too-complex", message, "Make it shorter or less nested; send data as inputs.", policy)

    def _remember(self, key: _Key, verdict: Verdict) -> Verdict:
        self._verdicts[key] = verdict
        if len(self._verdicts) > _CACHE_SIZE:
            self._verdicts.popitem(last=False)
        return verdict


_doors: "WeakKeyDictionary[asyncio.AbstractEventLoop, Door]" = WeakKeyDictionary()


def door() -> Door:
    """The door of the running event loop."""
    loop = asyncio.get_running_loop()
    found = _doors.get(loop)
    if found is None:
        found = _doors[loop] = Door()
    return found
