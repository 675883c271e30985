"""Many runs that end in every way there is, and then: is anything left?

Programs that succeed, fail, kill themselves, run out of time, memory or output, leave children and files behind, are
cancelled at any moment; sessions that are ended, killed and forgotten. Afterwards the host is closed, and processes,
mounts, control groups, descriptors, threads and files are counted again; the host's memory is compared before that.
"""

import asyncio
import contextlib
import random
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import page
from benchmarks.hosts import require, started
from benchmarks.leftovers import Held, held, helpers_bytes, resident_bytes
from benchmarks.machine import facts, sentence
from benchmarks.report import Report
from host import ExecutionRequest, ExecutionResult, Host, Limits
from host.errors import RequestError
from host.models import new_id

__all__ = ["KINDS", "run", "soak"]

_AT_ONCE = 8
_WARM_UP_SHARE = 0.2
_GROWTH_SHARE = 0.1
_GROWTH_BYTES = 12 << 20
_LONGEST_PAUSE_S = 0.03
_SEED = 20_000
_SHOWN = 20
_WORTH_TELLING = 20_000

_LEAVE_CHILDREN = """
import os, signal, time
for number in range(3):
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
"""
_LEAVE_FILES = """
import os
for folder in ("/work", "/tmp", "/dev/shm"):
    for number in range(5):
        with open(f"{folder}/{number}", "w") as file:
            file.write("x" * 1000)
os.mkfifo("/work/pipe")
os.symlink("/etc/passwd", "/work/link")
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to end.

    Attributes:
        weight: how often, beside the others.
        code: the program.
        ends: the statuses that are right.
        exit_code: the one that is right; None where it does not say anything.
        limits: tighter ones.
    """

    weight: int
    code: str
    ends: tuple[str, ...]
    limits: Limits = field(default_factory=Limits)
    language: str = "python"
    exit_code: int | None = None

    def is_right(self, result: ExecutionResult) -> bool:
        """Whether a run of this kind may end so. An exit code of another run's would show here."""
        return result.status in self.ends and self.exit_code in (None, result.exit_code)


KINDS = {
    "succeeds": Kind(40, "1 + 1", ("succeeded",), exit_code=0),
    "fails": Kind(8, "1 / 0", ("failed",), exit_code=1),
    "exits": Kind(8, "import sys\nsys.exit(7)", ("failed",), exit_code=7),
    "is no program": Kind(2, "def", ("failed",)),
    "kills itself": Kind(6, "import os\nos.kill(os.getpid(), 9)", ("killed",)),
    "aborts": Kind(3, "import os\nos.abort()", ("killed",)),
    "never ends": Kind(5, "while True: pass", ("timed_out",), Limits(max_execution_time=60)),
    "sleeps": Kind(4, "import time\ntime.sleep(60)", ("timed_out",), Limits(max_execution_time=60)),
    "floods": Kind(4, "while True: print('x' * 1000)", ("output_limit",), Limits(max_output_bytes=20_000)),
    "eats memory": Kind(2, "x = [bytearray(1 << 20) for _ in range(4096)]", ("out_of_memory",)),
    "leaves children": Kind(5, _LEAVE_CHILDREN, ("succeeded",), exit_code=0),
    "leaves files": Kind(5, _LEAVE_FILES, ("succeeded",), exit_code=0),
    "in SQL": Kind(2, "SELECT 1 + 1", ("succeeded",), language="sql", exit_code=0),
    "in JavaScript": Kind(1, "1 + 1", ("succeeded",), language="javascript", exit_code=0),
}
_CANCELLED = "is cancelled"
_SESSION = "session"
_WEIGHTS = {**{name: kind.weight for name, kind in KINDS.items()}, _CANCELLED: 6, _SESSION: 3}


@dataclass(frozen=True, slots=True)
class Memory:
    """In bytes: of the host, and of each helper by process id, such as what sandboxes are forked from."""

    host: int
    helpers: dict[int, int]


@dataclass(slots=True)
class Found:
    """What a soak saw.

    Attributes:
        ends: how often each kind ended how.
        wrong: ends that are not right for their kind.
        absent: kinds that this host cannot run.
        left: what is still held, by name.
        warmed, ended: memory after the warm-up and at the end.
    """

    ends: Counter[tuple[str, str]]
    wrong: list[str]
    absent: list[str]
    left: dict[str, int]
    warmed: Memory
    ended: Memory
    seconds: float


def run(report: Report, runs: int) -> None:
    """Soak, and hold what is left to nothing."""
    found = asyncio.run(soak(runs))
    report.note(f"{runs} runs in {found.seconds:.0f} s, {_AT_ONCE} at once")
    for (kind, end), count in sorted(found.ends.items()):
        report.note(f"  {kind:16} {end:16} {count}")
    if found.absent:
        report.note(f"  left out, for this host has none: {', '.join(found.absent)}")
    for line in found.wrong[:_SHOWN]:
        report.note(f"  WRONG: {line}")
    report.data["ends"] = {f"{kind}: {end}": count for (kind, end), count in sorted(found.ends.items())}
    report.bound("ends that are wrong", len(found.wrong), 0, "runs")
    for name, count in found.left.items():
        report.bound(f"{name.replace('_', ' ')} left", count, 0, "")
    for name, before, after in _memory(found):
        allowed = max(_GROWTH_BYTES, _GROWTH_SHARE * before)
        report.bound(f"memory growth of {name}", (after - before) / (1 << 20), allowed / (1 << 20), "MiB")
    if runs >= _WORTH_TELLING:
        page.write("soak", _markdown(found, runs))


def _memory(found: Found) -> list[tuple[str, int, int]]:
    """Before and after, of the host and of that helper which lived all the time and grew most."""
    before, after = found.warmed.helpers, found.ended.helpers
    pairs = [(before[pid], after[pid]) for pid in before.keys() & after.keys()]
    most = max(pairs, key=lambda pair: pair[1] - pair[0], default=(0, 0))
    return [("the host", found.warmed.host, found.ended.host), ("a helper, at most", *most)]


def _markdown(found: Found, runs: int) -> str:
    ends = Counter[str]()
    for (_, end), count in found.ends.items():
        ends[end] += count
    counted = ", ".join(f"{count:,} {end}" for end, count in ends.most_common())
    left = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in found.left.items())
    growth = ", ".join(f"{(after - before) / (1 << 20):.1f} MiB of {name}" for name, before, after in _memory(found))
    machine = sentence(facts())
    return (
        f"{runs:,} runs, {_AT_ONCE} at once, on {machine}: {counted}. Ends that were wrong for their kind: "
        f"{len(found.wrong)}. Left afterwards: {left}. Memory growth: {growth}."
    )


async def soak(runs: int) -> Found:
    """Run that many programs, close the host, and count."""
    with tempfile.TemporaryDirectory(prefix="soak-") as place:
        state, scratch = Path(place, "state"), Path(place, "tmp")
        scratch.mkdir()
        before_folder, tempfile.tempdir = tempfile.gettempdir(), str(scratch)
        try:
            return await _soaked(runs, state, scratch)
        finally:
            tempfile.tempdir = before_folder


async def _soaked(runs: int, state: Path, scratch: Path) -> Found:
    async with started(state) as host:  # once for nothing: what is made on first use is no leftover
        require(host, "sandbox")
        await host.execute(_request("succeeds"))
    before = held(host.owner, [scratch, state])
    begun = time.monotonic()
    async with started(state) as host:
        owner = host.owner
        work = _Soak(host, random.Random(_SEED))
        await work.all(int(runs * _WARM_UP_SHARE))
        warmed = Memory(resident_bytes(), helpers_bytes())
        await work.all(runs - int(runs * _WARM_UP_SHARE))
        ended = Memory(resident_bytes(), helpers_bytes())
    seconds = time.monotonic() - begun
    after = await _settled(owner, [scratch, state], before)
    return Found(work.ends, work.wrong, work.absent, after.more_than(before), warmed, ended, seconds)


async def _settled(owner: str, folders: list[Path], before: Held, within_s: float = 10.0) -> Held:
    """Count until nothing is left or the time is over: the kernel buries asynchronously."""
    until = time.monotonic() + within_s
    while True:
        now = held(owner, folders)
        if not any(now.more_than(before).values()) or time.monotonic() > until:
            return now
        await asyncio.sleep(0.1)


def _request(kind: str, **more: Any) -> ExecutionRequest:
    chosen = KINDS[kind]
    shared = {"language": chosen.language, "limits": chosen.limits, "policy": "standard", "adapter": "sandbox"}
    return ExecutionRequest(code=chosen.code, **{**shared, **more})


class _Soak:
    """The runs of one soak."""

    def __init__(self, host: Host, chance: random.Random) -> None:
        self.ends: Counter[tuple[str, str]] = Counter()
        self.wrong: list[str] = []
        self._host = host
        self._chance = chance
        self._kinds = [name for name in _WEIGHTS if self._can(name)]
        self.absent = sorted(set(_WEIGHTS) - set(self._kinds))

    def _can(self, kind: str) -> bool:
        """Whether this host can run it at all."""
        if kind == _SESSION:
            return "python" in self._host.registry.get("sandbox").capabilities().session_languages
        return kind not in KINDS or KINDS[kind].language in self._host.supported_languages()

    async def all(self, runs: int) -> None:
        """Do so many, a few at once."""
        weights = [_WEIGHTS[name] for name in self._kinds]
        waiting = iter(self._chance.choices(self._kinds, weights, k=runs))

        async def worker() -> None:
            for kind in waiting:
                await self._one(kind)

        await asyncio.gather(*(worker() for _ in range(_AT_ONCE)))

    async def _one(self, kind: str) -> None:
        special: dict[str, Callable[[], Awaitable[None]]] = {_CANCELLED: self._cancelled, _SESSION: self._session}
        try:
            if kind in special:
                await special[kind]()
            else:
                result = await self._host.execute(_request(kind))
                why = f"{result.reason} (exit code {result.exit_code})"
                self._ended(kind, result.status, right=KINDS[kind].is_right(result), why=why)
        except Exception as error:  # noqa: BLE001 - no run may end so: counted as wrong, and the soak goes on
            self._ended(kind, type(error).__name__, right=False, why=str(error))

    def _ended(self, kind: str, end: str, *, right: bool, why: str = "") -> None:
        self.ends[kind, end] += 1
        if not right:
            self.wrong.append(f"{kind}: {end}: {why}")

    async def _cancelled(self) -> None:
        """Stop a run at any moment of its life, by leaving or by its id."""
        request = _request(self._chance.choice(("succeeds", "sleeps", "leaves children", "floods")), id=new_id())
        task = asyncio.ensure_future(self._host.execute(request))
        await asyncio.sleep(self._chance.uniform(0, _LONGEST_PAUSE_S))
        if self._chance.random() < 0.5:
            with contextlib.suppress(RequestError):  # it is not known yet, or has ended
                await self._host.cancel(request.id)
        else:
            task.cancel()
        done = (await asyncio.gather(task, return_exceptions=True))[0]
        if isinstance(done, asyncio.CancelledError):
            self._ended(_CANCELLED, "CancelledError", right=True)
        elif isinstance(done, BaseException):
            raise done
        else:
            self._ended(_CANCELLED, done.status, right=done.status not in ("adapter_failed", "interrupted"))

    async def _session(self) -> None:
        """A few commands in a live interpreter; then it is ended, killed from inside, or left to the host."""
        session = await self._host.open_session("python", policy="standard", adapter="sandbox")
        shared = {"policy": "standard", "session": session.id}
        for code in ("x = 20", "x += 1", "x * 2"):
            result = await self._host.execute(ExecutionRequest(code=code, **shared))
        end = self._chance.choice(("ended", "killed", "left"))
        if end == "killed":
            await self._host.execute(ExecutionRequest(code="import os\nos.kill(os.getpid(), 9)", **shared))
        if end != "left" or len(self._host.sessions()) > _AT_ONCE:
            await self._host.end_session(session.id)
        self._ended(_SESSION, end, right=result.value == 42, why=f"{result.status}: {result.reason}")
