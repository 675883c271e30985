"""The MicroVMs of one host: started, written down, and ended whatever happens."""

import asyncio
import json
import ssl
import uuid
from collections.abc import Coroutine, Mapping
from typing import Any

from adapters.aws.errors import AwsError
from adapters.lambda_microvm.ledger import Ledger, Record
from adapters.lambda_microvm.machine import Machine
from adapters.lambda_microvm.service import Attempt, Service
from adapters.lambda_microvm.settings import LONGEST_S, MicrovmSettings
from host.errors import AdapterError
from host.events import get_logger

__all__ = ["Fleet", "patiently"]

_log = get_logger("understudy.lambda_microvm")
_PATIENCE_S = 15.0
"""How long whoever is cancelled, or closes, waits until a MicroVM is ended. Then it is left to the next host's reaper,
and to AWS, which ends it when its time is up."""
_AGAIN_S = 15.0
_GONE_WITHIN_S = 5.0
_LOOK_S = 0.1


class Fleet:
    """All that this host has started.

    Args:
        service: who runs them.
        ledger: where they are written down.
        settings: how they are to be.
        owner: this host.
        context: whom to trust at their doors.
    """

    def __init__(
        self, service: Service, ledger: Ledger, settings: MicrovmSettings, owner: str, context: ssl.SSLContext
    ) -> None:
        self._service = service
        self._ledger = ledger
        self._settings = settings
        self._owner = owner
        self._context = context
        self._ending: dict[str, asyncio.Task[None]] = {}
        self._records: dict[str, Record] = {}

    async def fresh(self, lifetime_s: float, idle_s: float | None = None) -> Machine:
        """A MicroVM that is ready and that nobody had before.

        Args:
            lifetime_s: after which AWS ends it whatever happens.
            idle_s: for how long nobody may speak to it before AWS ends it; None is for ever.

        Raises:
            AdapterError: there is none to be had; none is left.
        """
        lifetime_s = min(lifetime_s, LONGEST_S)
        params = await self._params(lifetime_s, idle_s)
        record = self._ledger.begin(self._service.region, params, lifetime_s)
        answer = await self._started(record)
        microvm = str(answer["microvmId"])
        self._records[microvm] = self._ledger.know(record, microvm)
        machine: Machine | None = None
        try:
            machine = Machine(self._service, microvm, str(answer["endpoint"]), self._context, lifetime_s)
            self._check_way_out(answer)
            await machine.become_ready(self._settings.start_timeout_s)
        except BaseException:
            await self._end(microvm, machine)
            raise
        return machine

    def let_go(self, machine: Machine) -> None:
        """End it; nobody waits for that."""
        self._begin_to_end(machine.id, machine)

    async def end(self, machine: Machine) -> None:
        """End it, and wait until the service says that it is over, for a while."""
        await self._end(machine.id, machine)

    def undo(self, record: Record) -> None:
        """End what is written down, however long that takes; nobody waits for that."""
        work = self._terminate(record, None) if record.microvm else self._settle(record)
        self.in_the_background(record.path.name, work)

    @property
    def mine(self) -> frozenset[str]:
        """The MicroVMs of this host that live."""
        return frozenset(self._records)

    async def aclose(self) -> None:
        """Wait until what is to end has ended, for a while."""
        tasks = list(self._ending.values())
        if tasks:
            await asyncio.wait(tasks, timeout=_PATIENCE_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- starting -----------------------------------------------------------------------------------------------------

    async def _params(self, lifetime_s: float, idle_s: float | None) -> dict[str, Any]:
        settings = self._settings
        params: dict[str, Any] = {
            "imageIdentifier": await self._service.image(),
            "maximumDurationInSeconds": max(1, round(lifetime_s)),
            "runHookPayload": json.dumps({"owner": self._owner}),
            "logging": {"disabled": {}},
            "clientToken": f"understudy-{uuid.uuid4()}",
        }
        if settings.version:
            params["imageVersion"] = settings.version
        if settings.egress_connector:
            params["egressNetworkConnectors"] = [settings.egress_connector]
        if idle_s is not None:
            params["idlePolicy"] = {
                "maxIdleDurationSeconds": max(60, round(idle_s)),
                "suspendedDurationSeconds": 0,
                "autoResumeEnabled": False,
            }
        return params

    async def _started(self, record: Record) -> Mapping[str, Any]:
        """What the service answers to a start. Where it is in doubt whether there was one, it is undone."""
        attempt = Attempt()
        try:
            return await self._service.run(record.params, attempt)
        except asyncio.CancelledError:
            if attempt.doubtful:
                await patiently(self.in_the_background(record.path.name, self._settle(record)))
            else:
                self._ledger.drop(record)
            raise
        except AwsError:
            if attempt.doubtful:
                self.in_the_background(record.path.name, self._settle(record))
            else:
                self._ledger.drop(record)
            raise

    def _check_way_out(self, answer: Mapping[str, Any]) -> None:
        wanted = self._settings.egress_connector
        found = answer.get("egressNetworkConnectors", ())
        if wanted and not (found and all(each == wanted or each.startswith(f"{wanted}:") for each in found)):
            raise AdapterError(
                f"AWS started MicroVM {answer['microvmId']} with another way out than {wanted}.",
                remedy="Check egress_connector in [adapters.lambda_microvm].",
                may_have_started=False,
            )

    # --- ending -------------------------------------------------------------------------------------------------------

    async def _end(self, microvm: str, machine: Machine | None) -> None:
        ending = self._begin_to_end(microvm, machine)
        await patiently(ending)
        if ending.done():
            await self._until_gone(microvm)

    def _begin_to_end(self, microvm: str, machine: Machine | None) -> "asyncio.Task[None]":
        record = self._records.get(microvm)
        if record is None or microvm in self._ending:
            return self.in_the_background(microvm, _nothing())
        return self.in_the_background(microvm, self._terminate(record, machine))

    def in_the_background(self, name: str, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Do it, once for each name; closing waits for it, for a while."""
        if name in self._ending:
            work.close()
            return self._ending[name]
        task = self._ending[name] = asyncio.create_task(work, name=f"understudy-microvm-end-{name}")
        task.add_done_callback(lambda _: self._ending.pop(name, None))
        return task

    async def _settle(self, record: Record) -> None:
        """Nobody knows whether it was started. With the same client token the service names the same one."""
        while not record.is_over:
            attempt = Attempt()
            try:
                answer = await self._service.run(record.params, attempt)
            except AwsError as error:
                _log.warning("microvm_start_unclear", reason=error.message)
                await asyncio.sleep(_AGAIN_S)
                continue
            await self._terminate(self._ledger.know(record, str(answer["microvmId"])), None)
            return
        self._ledger.drop(record)

    async def _terminate(self, record: Record, machine: Machine | None) -> None:
        if machine is not None:
            await machine.aclose()  # the server in it ends what has lost its client
        unknown = 0
        while not record.is_over:
            try:
                if await self._service.terminate(record.microvm) or unknown:
                    break
                unknown += 1  # it may be so new that not every part of the service knows of it
                await asyncio.sleep(_LOOK_S)
            except AwsError as error:
                _log.warning("microvm_not_ended", microvm=record.microvm, reason=error.message)
                await asyncio.sleep(_AGAIN_S)
        self._ledger.drop(record)
        self._records.pop(record.microvm, None)

    async def _until_gone(self, microvm: str) -> None:
        """The service ends it soon after it has said so. Its connection was cut, so its program ended before."""
        wait_s = _LOOK_S
        try:
            async with asyncio.timeout(_GONE_WITHIN_S):
                while (await self._service.get(microvm))["state"] != "TERMINATED":
                    await asyncio.sleep(wait_s)
                    wait_s *= 2
        except (TimeoutError, AwsError):
            return


async def _nothing() -> None:
    """It is ended already."""


async def patiently(task: "asyncio.Task[None]") -> None:
    """Wait for it, for a while, however often whoever waits is cancelled."""
    clock = asyncio.get_running_loop().time
    until, cancelled = clock() + _PATIENCE_S, False
    while not task.done() and (left_s := until - clock()) > 0:
        try:
            await asyncio.wait({task}, timeout=left_s)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
