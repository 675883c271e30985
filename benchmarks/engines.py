"""Containers, where an engine runs: ours, ``docker exec``, ``docker run`` and llm-sandbox. No engine is started."""

import asyncio
import contextlib
import functools
import json
import os
import subprocess
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.container.building import build, plan
from adapters.container.engine import connect
from adapters.container.images import NAME
from adapters.container.settings import ContainerSettings
from adapters.guest.contract import Missing
from adapters.guest.python.host import find_python
from benchmarks.bench import run_in
from benchmarks.hosts import require
from benchmarks.machine import program
from host import Host, build_host, load_settings
from host.errors import AdapterError

if TYPE_CHECKING:
    from benchmarks.bench import Bench
    from benchmarks.contenders import Contender

__all__ = ["EXEC", "ON_THE_SPOT", "RUN", "WAITING", "line_up"]

WAITING = "ours, a container that waits (Python API)"
ON_THE_SPOT = "ours, a container made on the spot (Python API)"
EXEC = "docker exec, CPython"
RUN = "docker run --rm, CPython"
_LLM_SANDBOX = "llm-sandbox on Docker, CPython"
_WORKER = Path(__file__).with_name("llm_sandbox_worker.py")
_PROGRAM = ("-I", "-S", "-c", "1")
_PYTHON = ("python3", *_PROGRAM)
_SLEEP = ("-I", "-S", "-c", "import time; time.sleep(86400)")
_ISOLATED = ("--network", "none")


async def line_up(bench: "Bench", stack: AsyncExitStack) -> "list[Contender]":
    """Each that this machine has. Ours, exec and run are on the same image, which is built where it is not there."""
    from benchmarks.contenders import Contender, process

    docker = program("docker")
    try:
        image, python = await _built(bench)
    except AdapterError as error:
        bench.absent.update(
            dict.fromkeys((WAITING, ON_THE_SPOT, EXEC, RUN, _LLM_SANDBOX), f"no engine: {error.message}")
        )
        return []
    waiting, on_the_spot = [await stack.enter_async_context(_host(bench, ready)) for ready in (4, 0)]
    found = [
        Contender(WAITING, functools.partial(_in_one_that_waits, waiting), every=10),
        Contender(ON_THE_SPOT, functools.partial(run_in, on_the_spot, adapter="container"), every=20),
    ]
    if docker is None:
        bench.absent.update(dict.fromkeys((EXEC, RUN, _LLM_SANDBOX), "docker is not installed"))
        return found
    start = (*_ISOLATED, "--entrypoint", python, image)
    name = f"understudy-benchmark-{uuid.uuid4().hex[:12]}"
    kept = subprocess.run([docker, "run", "--detach", "--rm", "--name", name, *start, *_SLEEP], capture_output=True)
    if kept.returncode == 0:
        stack.callback(subprocess.run, [docker, "kill", name], capture_output=True)
        found.append(Contender(EXEC, functools.partial(process, docker, "exec", name, python, *_PROGRAM), every=10))
    else:
        bench.absent[EXEC] = kept.stderr.decode(errors="replace").strip()[-200:]
    found.append(Contender(RUN, functools.partial(process, docker, "run", "--rm", *start, *_PROGRAM), every=20))
    why, other = await asyncio.to_thread(_image, docker, bench.image)
    if bench.llm_sandbox is None or not other:
        bench.absent[_LLM_SANDBOX] = why if bench.llm_sandbox else "no --llm-sandbox PYTHON was given"
        return found
    worker = await stack.enter_async_context(_llm_sandbox(bench.llm_sandbox, other))
    return [*found, Contender(_LLM_SANDBOX, worker.once, every=20)]


async def _built(bench: "Bench") -> tuple[str, str]:
    """The image for Python, and the interpreter in it.

    Raises:
        AdapterError: there is no engine, or it cannot build.
    """
    docker = connect(ContainerSettings())
    try:
        planned = await asyncio.to_thread(plan, "python", bench.folder / "images")
        image = await build(docker, planned, lambda line: None)
    finally:
        await docker.close()
    python = find_python(None, "python")
    if isinstance(python, Missing):
        raise AdapterError(python.reason)
    return image.id, str(python.program)


@contextlib.asynccontextmanager
async def _host(bench: "Bench", ready: int) -> AsyncIterator[Host]:
    """A host with containers, of which so many wait."""
    settings = load_settings(
        environ={},
        overrides={
            "state_dir": str(bench.folder / f"containers-{ready}"),
            "plugins.entry_points": False,
            "adapters.container": {"enabled": True, "min_ready": min(ready, 2), "max_ready": ready},
        },
    )
    async with build_host(settings) as host:
        require(host, "container")
        yield host


async def _in_one_that_waits(host: Host) -> None:
    """One run; the next container is made before the next round, as it is between two callers."""
    await run_in(host, adapter="container")


def _image(docker: str, wanted: str | None) -> tuple[str, str]:
    """Why there is nothing, or "", and an image here that has python3 where llm-sandbox looks for it."""
    listed = subprocess.run(
        [docker, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"], capture_output=True, text=True
    ).stdout.split()
    for image in [wanted] if wanted else [name for name in listed if "<none>" not in name and NAME not in name]:
        tried = subprocess.run([docker, "run", "--rm", *_ISOLATED, image, *_PYTHON], capture_output=True)
        if tried.returncode == 0:
            return "", image
    return "the engine has no image with python3; name one with --image", ""


class _Worker:
    """A program in another Python that keeps one llm-sandbox session and runs in it what it is told to."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def once(self) -> None:
        """One run.

        Raises:
            RuntimeError: it failed.
        """
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the worker has no pipes")
        self._process.stdin.write(b"\n")
        answer = await self._process.stdout.readline()
        if not answer or json.loads(answer) != "2":
            raise RuntimeError(f"llm-sandbox answered {answer!r}")


@contextlib.asynccontextmanager
async def _llm_sandbox(python: Path, image: str) -> AsyncIterator[_Worker]:
    process = await asyncio.create_subprocess_exec(
        *(str(python), str(_WORKER), image),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    try:
        yield _Worker(process)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()
