"""Ends what hosts that are gone have left running."""

import asyncio
import ssl
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from adapters.aws.errors import AwsError
from adapters.lambda_microvm.door import NotYet
from adapters.lambda_microvm.fleet import Fleet
from adapters.lambda_microvm.ledger import Ledger, Record
from adapters.lambda_microvm.machine import Machine
from adapters.lambda_microvm.service import Attempt, Service
from host.errors import AdapterError
from host.events import get_logger

__all__ = ["Reaper"]

_log = get_logger("understudy.lambda_microvm")
_T = TypeVar("_T")
_WAIT_S = 15.0
"""How long a host that starts waits for its reaper. Then it goes on beside it."""
_AT_ONCE = 8
_ROOM_S = 60.0


class Reaper:
    """Looks for the MicroVMs of dead hosts: in what they have written down, and among all that there are.

    Args:
        service: who runs them.
        ledger: where they are written down.
        fleet: our own.
        context: whom to trust at their doors.
    """

    def __init__(self, service: Service, ledger: Ledger, fleet: Fleet, context: ssl.SSLContext) -> None:
        self._service = service
        self._ledger = ledger
        self._fleet = fleet
        self._context = context

    async def reap(self, dead_owners: Sequence[str]) -> int:
        """End what is left of these hosts. Returns how many MicroVMs that were, as far as is known by then."""
        found: list[str] = []
        reaping = self._fleet.in_the_background(f"reap {sorted(dead_owners)}", self._reap(set(dead_owners), found))
        await asyncio.wait({reaping}, timeout=_WAIT_S)
        return len(found)

    async def _reap(self, dead_owners: set[str], found: list[str]) -> None:
        left: list[Mapping[str, Any]] = []
        try:
            left = await self._service.all()
        except AdapterError as error:
            _log.warning("microvms_not_listed", reason=error.message)
        records = [record for record in self._ledger.of(dead_owners) if record.region in ("", self._service.region)]
        found += filter(None, await _some_at_a_time(self._end(record) for record in records))
        live = {str(item["microvmId"]) for item in left if item["state"] in ("RUNNING", "PENDING")}
        others = sorted(live - {record.microvm for record in records} - set(found) - self._fleet.mine)
        found += filter(None, await _some_at_a_time(self._end_if_of(dead_owners, microvm) for microvm in others))

    async def _end(self, record: Record) -> str:
        """End what is written down. Returns its id; "" where there was nothing any more."""
        if record.is_over:
            self._ledger.drop(record)
            return ""
        try:
            if not record.microvm:
                answer = await self._service.run(record.params, Attempt())
                record = self._ledger.know(record, str(answer["microvmId"]))
            was_there = await self._service.terminate(record.microvm)
        except AwsError:
            self._fleet.undo(record)
            raise
        self._ledger.drop(record)
        return record.microvm if was_there else ""

    async def _end_if_of(self, dead_owners: set[str], microvm: str) -> str:
        """End a MicroVM that says itself that a dead host has started it: one that kept its state elsewhere."""
        machine: Machine | None = None
        try:
            said = await self._service.get(microvm)
            machine = Machine(self._service, microvm, str(said["endpoint"]), self._context, _ROOM_S)
            await machine.look()
            theirs = machine.facts.owner in dead_owners
            return microvm if theirs and await self._service.terminate(microvm) else ""
        except NotYet:
            return ""
        finally:
            if machine is not None:
                await machine.aclose()


async def _some_at_a_time(work: Iterable[Coroutine[Any, Any, _T]]) -> list[_T]:
    """What comes of it all; what fails is logged and left out."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(each: Coroutine[Any, Any, _T]) -> list[_T]:
        async with turns:
            try:
                return [await each]
            except AdapterError as error:
                _log.warning("microvm_not_reaped", reason=error.message)
                return []

    return [each for some in await asyncio.gather(*map(one, work)) for each in some]
