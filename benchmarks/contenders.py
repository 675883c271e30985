"""What is timed side by side: one small program by each way that there is to run it."""

import functools
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import engines
from benchmarks.bench import Bench, run_in
from benchmarks.load import Connection
from benchmarks.machine import program

__all__ = [
    "BARE_DENO",
    "COLD",
    "HTTP",
    "JAVASCRIPT",
    "PLAIN",
    "WARM",
    "Contender",
    "line_up",
    "process",
    "wall_by_hand",
]

PLAIN = "CPython, a bare process"
WARM = "ours, warm (Python API)"
HTTP = "ours, warm (HTTP)"
COLD = "ours, cold (Python API)"
BARE_DENO = "deno run, a bare process"
JAVASCRIPT = "ours, JavaScript warm"
_WITH_FOLDER = "ours, warm, with a work folder (Python API)"
_MONTY = "monty, a Python subset (Python API)"
_BY_HAND = "bubblewrap by hand, CPython"
_COLD_JAVASCRIPT = "ours, JavaScript cold"
_NO_SITE = ("-I", "-S", "-c", "1")
_BARE_JAVASCRIPT = "1 + 1;\n"


@dataclass(frozen=True, slots=True)
class Contender:
    """One way. It takes part in each ``every``-th round."""

    name: str
    once: Callable[[], Awaitable[Any]]
    every: int = 1


async def line_up(bench: Bench, stack: AsyncExitStack) -> list[Contender]:
    """All that this machine has, ready to be timed; what it lacks goes into ``bench.absent``."""
    python = os.path.realpath(sys.executable)
    contenders = [
        Contender(WARM, functools.partial(run_in, bench.warm)),
        Contender(HTTP, functools.partial(_over_http, stack.enter_context(Connection(bench.service.port, "python")))),
        Contender(PLAIN, functools.partial(process, python, *_NO_SITE)),
        Contender(_WITH_FOLDER, functools.partial(run_in, bench.warm, policy="standard")),
        Contender(COLD, functools.partial(run_in, bench.cold), every=2),
    ]
    if (wall := program("bwrap")) is None:
        bench.absent[_BY_HAND] = "bubblewrap is not installed"
    else:
        contenders.append(
            Contender(_BY_HAND, functools.partial(process, wall, *wall_by_hand(), python, *_NO_SITE), every=2)
        )
    monty = bench.warm.checks.get("monty")
    if monty is None or not monty.ok:
        bench.absent[_MONTY] = monty.reason if monty else "it is switched off"
    else:
        contenders.append(Contender(_MONTY, functools.partial(run_in, bench.warm, adapter="monty")))
    contenders += _javascript(bench, stack)
    return [*contenders, *await engines.line_up(bench, stack)] if bench.engines else contenders


def _javascript(bench: Bench, stack: AsyncExitStack) -> list[Contender]:
    deno = program("deno")
    if deno is None or "javascript" not in bench.warm.supported_languages():
        bench.absent[BARE_DENO] = "deno is not installed"
        return []
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="deno-")))
    (folder / "program.js").write_text(_BARE_JAVASCRIPT)
    bare = functools.partial(process, deno, "run", "--no-prompt", str(folder / "program.js"), DENO_DIR=str(folder))
    return [
        Contender(JAVASCRIPT, functools.partial(run_in, bench.warm, language="javascript"), every=4),
        Contender(BARE_DENO, bare, every=4),
        Contender(_COLD_JAVASCRIPT, functools.partial(run_in, bench.cold, language="javascript"), every=8),
    ]


async def process(path: str, *arguments: str, **environment: str) -> None:
    """Start a process in the cheapest way that there is, and wait for its end.

    Raises:
        RuntimeError: it did not end with 0.
    """
    nothing = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    child = os.posix_spawn(path, [path, *arguments], _environment(environment), file_actions=nothing)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code != 0:
        raise RuntimeError(f"{path} {' '.join(arguments)} ended with {code}")


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    kept = ("PATH", "HOME", "LANG", "DOCKER_HOST", "XDG_RUNTIME_DIR")
    return {**{name: os.environ[name] for name in kept if name in os.environ}, **more}


def wall_by_hand() -> list[str]:
    """What goes between ``bwrap`` and a command: all namespaces, and read-only what this interpreter needs to see."""
    python = os.path.realpath(sys.executable)
    wanted = [path for path in ("/usr", "/lib", "/lib64", "/bin", str(Path(python).parents[1])) if Path(path).exists()]
    mounts = [part for path in dict.fromkeys(wanted) for part in ("--ro-bind", path, path)]
    rest = ("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--chdir", "/tmp")
    return ["--unshare-all", "--die-with-parent", "--new-session", "--clearenv", *mounts, *rest, "--"]


async def _over_http(connection: Connection) -> None:
    """Ask a service in another process and wait, as a client does; nothing in this one has anything else to do."""
    connection.ask()
    while not connection.listen():
        pass
    if connection.failures:
        raise RuntimeError("a run over HTTP did not succeed")
