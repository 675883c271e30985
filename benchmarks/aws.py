"""Adapters on AWS, before emulated services: what they add to the calls, and what many calls do to the event loop."""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from botocore.client import BaseClient

from adapters.aws.threads import Threads, Ticket
from benchmarks.bench import POLICY, Bench
from benchmarks.figures import summary
from host import ExecutionRequest, build_host, load_settings
from host.host import Host
from host.interface import Adapter

__all__ = ["AT_ONCE", "measure"]

AT_ONCE = 64
_BEAT_S = 0.001
_CALM_S = 0.05
_T = TypeVar("_T")


async def measure(bench: Bench) -> dict[str, Any]:
    """For each adapter a run, the calls in it, and what is between the two; for Lambda many runs at one time.

    The emulators are processes of their own, and the programs run in them as they would over there.
    """
    found: dict[str, Any] = {}
    for name, emulated in (("lambda", _lambda), ("bedrock", _bedrock)):
        try:
            kind, variables = await asyncio.to_thread(emulated)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit | asyncio.CancelledError):
                raise
            bench.absent[f"{name}, emulated"] = str(error)
            continue
        async with _host(bench.folder / name, name, kind) as host:
            found[name] = await _overhead(host, name, max(1, bench.effort.rounds // 4))
            if name == "lambda":
                found["at_once"] = await _many(host, name, variables, 4 if bench.effort.rounds < 10 else AT_ONCE)
    return found


def _lambda() -> tuple[Callable[[], Adapter], Mapping[str, str]]:
    from tests.adapters.aws_lambda.suite import EmulatedLambda, served

    return EmulatedLambda, served().environment


def _bedrock() -> tuple[Callable[[], Adapter], Mapping[str, str]]:
    from tests.adapters.bedrock.emulated import EmulatedBedrock, region

    return EmulatedBedrock, region().environment


@contextlib.asynccontextmanager
async def _host(folder: Path, name: str, kind: Callable[[], Adapter]) -> AsyncIterator[Host]:
    from host.hookspecs import hookimpl
    from host.specs import AdapterSpec

    class Plugin:
        @hookimpl
        def adapters(self) -> Iterator[AdapterSpec]:
            yield AdapterSpec(name, kind, "emulated")

    table = {"enabled": True, "region": "us-east-1"}
    more = {"warm": True, "min_ready": 1} if name == "bedrock" else {}
    overrides = {
        "state_dir": str(folder),
        "plugins.entry_points": False,
        "plugins.disabled": ("adapters.plugin",),
        f"adapters.{name}": {**table, **more},
    }
    async with build_host(load_settings(environ={}, overrides=overrides), plugins={"emulated": Plugin()}) as host:
        yield host


async def _overhead(host: Host, name: str, rounds: int) -> dict[str, Any]:
    """``adapter``: its own time in a run, which is all that is no call. ``run`` and ``calls``: the whole, and those."""
    request = ExecutionRequest(code="1 + 1", policy=POLICY, adapter=name)
    policy = host.policies[POLICY]
    adapter = host.registry.get(name)
    samples: dict[str, list[float]] = {"run": [], "calls": [], "adapter": []}
    with _Calls().watched() as calls:
        for _ in range(rounds + 3):
            await calls.calm()
            calls.ended.clear()
            begun = time.perf_counter()
            result = await adapter.execute(request, policy, lambda event: None)
            spent = time.perf_counter() - begun
            if result.status != "succeeded":
                raise RuntimeError(f"{name} {result.status}: {result.reason}")
            in_calls = calls.within(begun, begun + spent)
            for figure, value in (("run", spent), ("calls", in_calls), ("adapter", spent - in_calls)):
                samples[figure].append(value)
    return {figure: summary(values[3:]) for figure, values in samples.items()}


@dataclass(frozen=True, slots=True)
class _Call:
    """One call: what was asked of which session, and when."""

    operation: str
    params: Mapping[str, Any]
    begin: float
    end: float


class _Calls:
    """The calls that adapters make through boto3, each with all that its thread does of it."""

    def __init__(self) -> None:
        self.ended: list[_Call] = []
        self.under_way = 0
        self._thread = threading.local()

    @contextlib.contextmanager
    def watched(self) -> Iterator["_Calls"]:
        """Watch where every call goes through: the threads that wait for it, and botocore's one door."""
        run, make = Threads.run, BaseClient._make_api_call  # noqa: SLF001 - its callers have no other in common
        calls = self

        async def timed(self: Threads, work: Callable[[], _T], ticket: Ticket) -> _T:
            return await run(self, lambda: calls._timed(work), ticket)

        def told(self: BaseClient, operation: str, params: Mapping[str, Any]) -> Any:
            calls._thread.asked = operation, params
            return make(self, operation, params)

        Threads.run, BaseClient._make_api_call = timed, told  # type: ignore[method-assign] # noqa: SLF001
        try:
            yield self
        finally:
            Threads.run, BaseClient._make_api_call = run, make  # type: ignore[method-assign] # noqa: SLF001

    def _timed(self, work: Callable[[], _T]) -> _T:
        self.under_way += 1
        self._thread.asked = "", {}
        begin = time.perf_counter()
        try:
            return work()
        finally:
            self.ended.append(_Call(*self._thread.asked, begin, time.perf_counter()))
            self.under_way -= 1

    async def calm(self) -> None:
        """Until nothing has been under way for a moment: sessions that end, sessions that are made ready."""
        since = time.perf_counter()
        while time.perf_counter() - since < _CALM_S:
            await asyncio.sleep(_BEAT_S)
            if self.under_way:
                since = time.perf_counter()

    def within(self, begin: float, end: float) -> float:
        """How long the calls of one run took: those of the session whose program answered last."""
        inside = [each for each in self.ended if begin <= each.begin and each.end <= end]
        session = max(inside, key=lambda each: each.end).params.get("sessionId")
        return sum(
            each.end - each.begin
            for each in inside
            if each.operation.startswith("Invoke") and each.params.get("sessionId") == session
        )


async def _many(host: Host, name: str, variables: Mapping[str, str], count: int) -> dict[str, Any]:
    """How late the loop is at most while so many programs run, beside the same calls by bare boto3 in as many threads.

    Each has made its connections and environments before: it is measured a second time.
    """
    adapter, policy = host.registry.get(name), host.policies[POLICY]
    request = ExecutionRequest(code="1 + 1", policy=POLICY, adapter=name)

    async def ours() -> None:
        await adapter.execute(request, policy, lambda event: None)

    with _Calls().watched() as calls:
        await ours()
    client, arguments = _client(variables, count), calls.ended[-1].params
    with ThreadPoolExecutor(count) as threads:
        loop = asyncio.get_running_loop()

        async def bare() -> None:
            await loop.run_in_executor(threads, lambda: client.invoke(**arguments)["Payload"].read())

        late: dict[str, list[float]] = {"ours": [], "bare": []}
        for each in (ours, bare):
            await _lateness(each, count)
        for _ in range(3):
            for label, each in (("ours", ours), ("bare", bare)):
                late[label].append(await _lateness(each, count))
    return {"count": count, **{f"{label}_late_ms": round(min(each) * 1000, 1) for label, each in late.items()}}


def _client(variables: Mapping[str, str], count: int) -> Any:
    import boto3
    from botocore.config import Config

    before = dict(os.environ)
    os.environ.update(variables)
    try:
        return boto3.client("lambda", region_name="us-east-1", config=Config(max_pool_connections=count))
    finally:
        os.environ.clear()
        os.environ.update(before)


async def _lateness(each: Callable[[], Any], count: int) -> float:
    """How late the loop is at most, in seconds, while so many of them are under way."""
    worst, over = 0.0, False

    async def beat() -> None:
        nonlocal worst
        while not over:
            due = time.perf_counter() + _BEAT_S
            await asyncio.sleep(_BEAT_S)
            worst = max(worst, time.perf_counter() - due)

    beating = asyncio.create_task(beat())
    await asyncio.sleep(0.01)
    await asyncio.gather(*(each() for _ in range(count)))
    over = True
    await beating
    return worst
