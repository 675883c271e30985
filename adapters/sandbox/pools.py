"""Sandboxes that are ready: a pool for each language and policy, filled ahead of demand from nurseries."""

import asyncio
import functools
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.sandbox.accounts import Account, Accounts
from adapters.sandbox.nursery import Nursery
from adapters.sandbox.plan import Mould
from adapters.sandbox.spare import Spare
from host.errors import AdapterError
from host.events import get_logger

__all__ = ["Home", "Pool", "PoolBounds", "Statistics"]

_FIRST_BACKOFF_S = 1.0
_LONGEST_BACKOFF_S = 60.0
_GUESS_BYTES = 16 << 20
_PAGE_BYTES = 4096

_log = get_logger("understudy.sandbox")


@dataclass(frozen=True, slots=True)
class PoolBounds:
    """How many ready sandboxes a pool keeps, and what all pools of an adapter may hold together.

    Attributes:
        floor: as many are kept whatever happens.
        ceiling: more are never kept.
        idle_bytes: memory of all that are ready, in all pools.
    """

    floor: int
    ceiling: int
    idle_bytes: int


@dataclass(slots=True)
class Statistics:
    """What a pool has done since it was made.

    Attributes:
        served: sandboxes that were handed out ready.
        missed: sandboxes that were wanted while none was ready, and made on the spot.
        lost: sandboxes that died while they waited.
    """

    served: int = 0
    missed: int = 0
    lost: int = 0


class Home:
    """Where the sandboxes of one view come from: a nursery, started when it is wanted and again when it has died.

    Args:
        start: starts one.
    """

    def __init__(self, start: Callable[[Callable[[Nursery], None]], Awaitable[Nursery]]) -> None:
        self._start = start
        self._starting: asyncio.Task[Nursery] | None = None
        self._failures = 0
        self._not_before = self._up_at = 0.0
        self.nursery: Nursery | None = None
        self.trouble = ""
        self.pools: list[Pool] = []

    async def get(self) -> Nursery:
        """The nursery, once it is up.

        Raises:
            AdapterError: it does not come up.
        """
        if self.nursery is not None:
            return self.nursery
        if self._starting is None:
            self._starting = asyncio.ensure_future(self._started())
        return await asyncio.shield(self._starting)

    def want(self) -> None:
        """Have it started, unless it just failed to."""
        if self.nursery is None and self._starting is None and time.monotonic() >= self._not_before:
            self._starting = asyncio.ensure_future(self._started())
            self._starting.add_done_callback(_looked_at)

    def let_go_if_idle(self, idle_s: float) -> None:
        """Let the nursery go when nothing came from it for so long and nothing of it lives."""
        if self.nursery is None or any(pool.size for pool in self.pools):
            return
        used_at = max((pool.used_at for pool in self.pools), default=0.0)
        if not self.nursery.busy and time.monotonic() - max(used_at, self._up_at) > idle_s:
            self.nursery.close_soon()

    async def aclose(self) -> None:
        """Kill the nursery with all that came from it."""
        if self._starting is not None:
            await asyncio.wait((self._starting,))
        if self.nursery is not None:
            await self.nursery.aclose()

    async def _started(self) -> Nursery:
        try:
            nursery = await self._start(self._lost)
        except AdapterError as error:
            self._failed(str(error))
            raise
        finally:
            self._starting = None
        self.nursery, self.trouble, self._failures = nursery, "", 0
        self._up_at = time.monotonic()
        for pool in self.pools:
            pool.refill()
        return nursery

    def _lost(self, nursery: Nursery) -> None:
        if self.nursery is nursery:
            self.nursery = None
            for pool in self.pools:
                pool.forget()

    def _failed(self, why: str) -> None:
        self.trouble = why
        self._failures += 1
        self._not_before = time.monotonic() + min(_LONGEST_BACKOFF_S, _FIRST_BACKOFF_S * 2 ** (self._failures - 1))
        _log.warning("nursery_failed", reason=why, failures=self._failures)


class Pool:
    """The ready sandboxes of one mould.

    It keeps as many as it was short of lately: one that finds nothing ready raises the number, a while in which some
    were never used lowers it.

    Args:
        home: where they come from.
        mould: what they are like.
        accounts: where what they use is counted.
        bounds: how many.
        room: how many more bytes of idle memory all pools may take.
    """

    def __init__(
        self, home: Home, mould: Mould, accounts: Accounts, bounds: PoolBounds, room: Callable[[], int]
    ) -> None:
        self._home = home
        self._mould = mould
        self._accounts = accounts
        self._bounds = bounds
        self._room = room
        self._ready: deque[tuple[Spare, Account]] = deque()
        self._lowest = 0
        self._each_bytes = _GUESS_BYTES
        self.target = bounds.floor
        self.statistics = Statistics()
        self.used_at = time.monotonic()
        home.pools.append(self)

    @property
    def size(self) -> int:
        """How many are ready, or nearly."""
        return len(self._ready)

    @property
    def ready(self) -> Sequence[Spare]:
        """Those that are ready, or nearly."""
        return [spare for spare, _ in self._ready.copy()]

    @property
    def idle_bytes(self) -> int:
        """About how much memory they take."""
        return len(self._ready) * self._each_bytes

    def take(self) -> tuple[Spare, Account] | None:
        """A sandbox for one run: one that is ready, or one made on the spot. None while there is no nursery.

        Raises:
            AdapterError: none can be made.
        """
        self.used_at = time.monotonic()
        taken = self._taken()
        if taken is not None and self._is_ready(*taken):
            self.statistics.served += 1
        else:
            self.statistics.missed += 1
            self._lowest = 0
            self.target = min(self._bounds.ceiling, self.target * 2 or 1)
            if taken is None and self._home.nursery is None:
                self._home.want()
                return None
        taken = taken or self._made(self._require())
        if not self._ready:  # else there is time until this run is over, and it has the processors until then
            self.refill()
        return taken

    def _taken(self) -> tuple[Spare, Account] | None:
        """The one that waits for longest, if any lives."""
        while self._ready:
            spare, account = self._ready.popleft()
            self._lowest = min(self._lowest, len(self._ready))
            if not spare.dead.done():
                return spare, account
            self._bury(spare, account)
        return None

    def _is_ready(self, spare: Spare, account: Account) -> bool:
        try:
            return spare.is_ready()
        except AdapterError:
            spare.kill()
            spare.dead.add_done_callback(functools.partial(_let_go, spare, account))
            raise

    def _require(self) -> Nursery:
        if self._home.nursery is None:
            raise AdapterError("the nursery is gone", retryable=True, may_have_started=False)
        return self._home.nursery

    def refill(self) -> None:
        """Have as many made as are missing."""
        nursery = self._home.nursery
        while nursery is not None and len(self._ready) < self.target and self._room() >= self._each_bytes:
            try:
                self._ready.append(self._made(nursery))
            except AdapterError as error:
                _log.warning("pool_not_filled", reason=error.message)
                return

    def adapt(self, idle_s: float) -> None:
        """Keep fewer if some were never used since the last call, and none after ``idle_s`` without any use."""
        if time.monotonic() - self.used_at > idle_s and not self._bounds.floor:
            self.target = 0
        else:
            self.target = max(self._bounds.floor, self.target - (self._lowest + 1) // 2)
        while len(self._ready) > self.target:
            spare, account = self._ready.pop()
            spare.kill()
            spare.dead.add_done_callback(functools.partial(_let_go, spare, account))
        self._lowest = len(self._ready)

    def unused(self, idle_s: float) -> bool:
        """Whether nobody has asked for so long, and nothing is ready."""
        return not self._bounds.floor and not self._ready and time.monotonic() - self.used_at > idle_s

    def forget(self) -> None:
        """The nursery is gone: so are they."""
        while self._ready:
            self._bury(*self._ready.pop())

    def measure(self, spare: Spare) -> None:
        """Learn from one that is ready how much memory each takes: what it does not share with files."""
        program = spare.pids()[1]
        if program and self._each_bytes == _GUESS_BYTES:
            _, resident, shared, *_ = Path(f"/proc/{program}/statm").read_text().split()
            self._each_bytes = max(1, int(resident) - int(shared)) * _PAGE_BYTES

    def _made(self, nursery: Nursery) -> tuple[Spare, Account]:
        account = self._accounts.open(self._mould.bounds)
        try:
            spare = nursery.make(self._mould, account.doors)
        except AdapterError:
            account.close()
            raise
        return spare, account

    def _bury(self, spare: Spare, account: Account) -> None:
        self.statistics.lost += 1
        _let_go(spare, account)


def _let_go(spare: Spare, account: Account, *_: object) -> None:
    """Give back what belongs to a sandbox that is dead."""
    spare.close()
    account.close()


def _looked_at(task: "asyncio.Task[Nursery]") -> None:
    """Whoever wants the nursery is told by ``Home.trouble``; nobody waits for the task."""
    if not task.cancelled():
        task.exception()
