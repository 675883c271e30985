"""All that is kept warm: nurseries by what they show, pools by what their sandboxes are like."""

import asyncio
import contextlib
import functools
import itertools
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

from adapters.sandbox.accounts import Account, Accounts
from adapters.sandbox.bubblewrap import View
from adapters.sandbox.nursery import Nursery
from adapters.sandbox.plan import Mould
from adapters.sandbox.pools import Home, Pool, PoolBounds
from adapters.sandbox.spare import Spare
from adapters.sandbox.wall import Interpreter, UserIds, Wall
from host.interface import Kept

__all__ = ["Scene", "Warmth"]

_ADAPT_S = 5.0
_IDLE_S = 300.0
_SOON_S = 10.0
_MOST_POOLS = 64


@dataclass(frozen=True, slots=True)
class Scene:
    """What sandboxes of one kind see and have loaded.

    Attributes:
        key: the same for the same scene.
        view: what they see of the host.
        interpreter: what the keeper runs on.
        preload: modules that programs find loaded.
        environment: variables that it has meanwhile.
    """

    key: Hashable
    view: View
    interpreter: Interpreter
    preload: Sequence[str]
    environment: Mapping[str, str]


class Warmth:
    """Keeps sandboxes ready.

    Args:
        wall: starts nurseries.
        uids: user ids for them, for a host that is root.
        accounts: count what sandboxes use.
        bounds: how many each pool keeps, and the memory for all of them.
        label: of this host's processes.
        start_timeout_s: how long a nursery may take to come up.
    """

    def __init__(
        self,
        wall: Wall,
        uids: UserIds | None,
        accounts: Accounts,
        bounds: PoolBounds,
        label: str,
        start_timeout_s: float,
    ) -> None:
        self._wall = wall
        self._uids = uids
        self._accounts = accounts
        self._bounds = bounds
        self._label = label
        self._start_timeout_s = start_timeout_s
        self._numbers = itertools.count(1)
        self._homes: dict[Hashable, Home] = {}
        self._pools: dict[tuple[Hashable, Hashable], Pool] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._burials: set[asyncio.Future[None]] = set()

    @property
    def homes(self) -> Sequence[Home]:
        """Where sandboxes come from."""
        return tuple(self._homes.values())

    @property
    def pools(self) -> Sequence[Pool]:
        """What is ready."""
        return tuple(self._pools.values())

    def home(self, scene: Scene) -> Home:
        """The nursery of a scene, which may not be up yet."""
        home = self._homes.get(scene.key)
        if home is None:
            home = self._homes[scene.key] = Home(functools.partial(self._start, scene))
        return home

    def pool(self, scene: Scene, mould: Mould, floor: int = 0) -> Pool | None:
        """The ready sandboxes of one mould in a scene. None where there are pools enough: callers may tighten a policy
        in endless ways, each a mould of its own.
        """
        key = (scene.key, mould.key)
        pool = self._pools.get(key)
        if pool is None:
            if len(self._pools) >= _MOST_POOLS:
                self._drop_unused(_SOON_S)
            if len(self._pools) >= _MOST_POOLS:
                return None
            bounds = PoolBounds(floor, max(floor, self._bounds.ceiling), self._bounds.idle_bytes)
            pool = self._pools[key] = Pool(self.home(scene), mould, self._accounts, bounds, self._room)
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(_ADAPT_S, self._adapt)
        return pool

    def kept(self) -> Kept:
        """What is ready, and what makes it."""
        nurseries = [home.nursery for home in self._homes.values() if home.nursery is not None]
        spares = [spare for pool in self._pools.values() for spare in pool.ready]
        pids = [pid for spare in spares for pid in spare.pids() if pid]
        taken = {pid for nursery in nurseries for pid in nursery.holders}
        processes = {pid for nursery in nurseries for pid in nursery.processes(taken)}
        descriptors = sum(nursery.descriptors for nursery in nurseries) + sum(spare.descriptors for spare in spares)
        descriptors += self._accounts.descriptors
        return Kept(frozenset(processes), frozenset(pids), descriptors)

    async def one(self, scene: Scene, mould: Mould) -> tuple[Spare, Account]:
        """A sandbox of a mould that has no pool, made now.

        Raises:
            AdapterError: none can be made.
        """
        nursery = await self.home(scene).get()
        account = self._accounts.open(mould.bounds)
        try:
            return nursery.make(mould, account.doors), account
        except BaseException:
            account.close()
            raise

    async def aclose(self) -> None:
        """End every nursery, and with it all that came from it."""
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.gather(*(home.aclose() for home in self._homes.values()))
        if self._burials:
            await asyncio.wait(self._burials)
        self._accounts.close()

    async def _start(self, scene: Scene, lost: Callable[[Nursery], None]) -> Nursery:
        uid = self._uids.take() if self._uids else None

        def ended(nursery: Nursery) -> None:
            lost(nursery)
            self._burials.add(burial := asyncio.ensure_future(nursery.aclose()))
            burial.add_done_callback(self._burials.discard)
            burial.add_done_callback(lambda _: self._give_back(uid))

        nursery = Nursery(f"{self._label}-w{next(self._numbers):x}.", ended)
        spawn = functools.partial(
            self._wall.spawn,
            view=scene.view,
            interpreter=scene.interpreter,
            preload=(),
            uid=uid,
            around=contextlib.nullcontext(),
        )
        try:
            await nursery.start(spawn, scene.preload, scene.environment, self._start_timeout_s)
        except BaseException:
            self._give_back(uid)
            raise
        return nursery

    def _give_back(self, uid: int | None) -> None:
        if self._uids is not None and uid is not None:
            self._uids.give_back(uid)

    def _room(self) -> int:
        return self._bounds.idle_bytes - sum(pool.idle_bytes for pool in self._pools.values())

    def _drop_unused(self, idle_s: float) -> None:
        for key, pool in list(self._pools.items()):
            if pool.unused(idle_s):
                del self._pools[key]
                self._homes[key[0]].pools.remove(pool)

    def _adapt(self) -> None:
        """Let go of what was not used lately: sandboxes first, then whole nurseries."""
        for pool in self._pools.values():
            pool.adapt(_IDLE_S)
        self._drop_unused(_IDLE_S)
        for home in self._homes.values():
            home.let_go_if_idle(_IDLE_S)
        self._timer = asyncio.get_running_loop().call_later(_ADAPT_S, self._adapt)
