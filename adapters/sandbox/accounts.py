"""What one warm sandbox may use, and what it has used, counted by whatever this machine has for it."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from adapters.sandbox.cgroups import Cgroups, Counts, Group
from adapters.sandbox.spare import Spare
from adapters.sandbox.stock import Metered, Stock
from adapters.sandbox.watch import Bounds
from host.errors import AdapterError

__all__ = ["Account", "Accounts"]

_OWN_MEMORY_BYTES = 16 << 20  # the interpreter's own pages, from before the program is known


class Account(Protocol):
    """The account of one sandbox.

    Attributes:
        doors: descriptors through which its process enters a control group by itself.
        moves: whether it has to be moved into one before it gets its job.
        counts: what was used so far; None where no control group counts.
    """

    doors: Sequence[int]
    moves: bool

    @property
    def counting(self) -> bool:
        """Whether the kernel counts."""
        ...

    def processes(self) -> int | None:
        """How many processes of it live. None where nobody knows."""
        ...

    def cpu_ms(self) -> float | None:
        """CPU time used so far."""
        ...

    def counts(self) -> Counts:
        """What was used so far."""
        ...

    async def take_in(self, spare: Spare) -> None:
        """Make sure that the sandbox's process is in its control group. It waits for its job and has no children.

        Raises:
            AdapterError: the kernel refuses.
        """
        ...

    def close(self) -> None:
        """Everything in it is dead."""
        ...


class Accounts:
    """Opens accounts.

    Args:
        cgroups: where control groups can be made, or None.
    """

    def __init__(self, cgroups: Cgroups | None) -> None:
        self._cgroups = cgroups
        self._stock = Stock(cgroups) if cgroups is not None and cgroups.version == 1 else None
        self._leaving: list[Group] = []

    def open(self, bounds: Bounds) -> Account:
        """An account for a sandbox that may use so much.

        Raises:
            AdapterError: the kernel refuses.
        """
        memory, processes = bounds.memory_bytes + _OWN_MEMORY_BYTES, bounds.threads
        if self._stock is not None:
            return _FromStock(self._stock, self._stock.take(memory, processes))
        if self._cgroups is None:
            return _Uncounted()
        try:
            group = self._cgroups.create()
            group.limit(memory, processes)
        except OSError as error:
            raise AdapterError(
                f"no control group could be made: {error}", retryable=True, may_have_started=False
            ) from error
        return _FromOutside(self, group)

    def remove(self, group: Group) -> None:
        """Remove a group whose processes are dead. The kernel may need a moment to see it empty."""
        self._leaving = [leaving for leaving in (*self._leaving, group) if not leaving.remove()]

    @property
    def descriptors(self) -> int:
        """How many are held open."""
        return self._stock.descriptors if self._stock is not None else 0

    def close(self) -> None:
        """Remove what is left."""
        if self._stock is not None:
            self._stock.close()
        self._leaving = [leaving for leaving in self._leaving if not leaving.remove()]


class _Uncounted:
    """Nobody counts but the process itself, and who looks at it from outside."""

    doors: Sequence[int] = ()
    moves = False
    counting = False

    def processes(self) -> int | None:
        return None

    def cpu_ms(self) -> float | None:
        return None

    def counts(self) -> Counts:
        return Counts(None, None, out_of_memory=False)

    async def take_in(self, spare: Spare) -> None:
        """There is nothing to enter."""

    def close(self) -> None:
        """There is nothing to give back."""


class _FromStock:
    """A group of version 1."""

    moves = False
    counting = True

    def __init__(self, stock: Stock, metered: Metered) -> None:
        self._stock = stock
        self._metered = metered
        self.doors: Sequence[int] = metered.doors

    def processes(self) -> int | None:
        return self._metered.processes()

    def cpu_ms(self) -> float | None:
        return self._metered.cpu_ms()

    def counts(self) -> Counts:
        return self._metered.counts()

    async def take_in(self, spare: Spare) -> None:
        """It entered by itself."""

    def close(self) -> None:
        self._stock.give_back(self._metered)


class _FromOutside:
    """A group of version 2, which only a whole process can enter: it is moved while it waits for its job."""

    moves = True
    counting = True
    doors: Sequence[int] = ()

    def __init__(self, accounts: Accounts, group: Group) -> None:
        self._accounts = accounts
        self._group = group
        self._moved = False

    def processes(self) -> int | None:
        return None

    def cpu_ms(self) -> float | None:
        return self._group.counts().cpu_ms

    def counts(self) -> Counts:
        return self._group.counts()

    async def take_in(self, spare: Spare) -> None:
        if self._moved:
            return
        try:
            await asyncio.to_thread(self._group.take_in, spare.pids()[1])
        except (FileNotFoundError, ProcessLookupError):  # it ended; whoever waits for it is told
            return
        except OSError as error:
            raise AdapterError(
                f"a sandbox cannot be put into its control group: {error}", retryable=True, may_have_started=False
            ) from error
        self._moved = True

    def close(self) -> None:
        self._accounts.remove(self._group)
