"""Containers, where an engine runs: ``docker exec``, ``docker run`` and llm-sandbox. Nothing is started or fetched."""

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

from benchmarks.machine import program

if TYPE_CHECKING:
    from benchmarks.bench import Bench
    from benchmarks.contenders import Contender

__all__ = ["line_up"]

_EXEC = "docker exec, CPython"
_RUN = "docker run --rm, CPython"
_LLM_SANDBOX = "llm-sandbox on Docker, CPython"
_WORKER = Path(__file__).with_name("llm_sandbox_worker.py")
_PYTHON = ("python3", "-I", "-S", "-c", "1")
_ISOLATED = ("--network", "none")


async def line_up(bench: "Bench", stack: AsyncExitStack) -> "list[Contender]":
    """Each of the three that this machine has."""
    from benchmarks.contenders import Contender, process

    docker = program("docker")
    why, image = await asyncio.to_thread(_image, docker, bench.image)
    if docker is None or not image:
        bench.absent.update(dict.fromkeys((_EXEC, _RUN, _LLM_SANDBOX), why))
        return []
    name = f"understudy-benchmark-{uuid.uuid4().hex[:12]}"
    kept = subprocess.run(
        [docker, "run", "--detach", "--rm", "--name", name, *_ISOLATED, image, "sleep", "infinity"], capture_output=True
    )
    found = []
    if kept.returncode == 0:
        stack.callback(subprocess.run, [docker, "kill", name], capture_output=True)
        found.append(Contender(_EXEC, functools.partial(process, docker, "exec", name, *_PYTHON), every=10))
    else:
        bench.absent[_EXEC] = kept.stderr.decode(errors="replace").strip()[-200:]
    run = functools.partial(process, docker, "run", "--rm", *_ISOLATED, image, *_PYTHON)
    found.append(Contender(_RUN, run, every=20))
    if bench.llm_sandbox is None:
        bench.absent[_LLM_SANDBOX] = "no --llm-sandbox PYTHON was given"
        return found
    worker = await stack.enter_async_context(_llm_sandbox(bench.llm_sandbox, image))
    return [*found, Contender(_LLM_SANDBOX, worker.once, every=20)]


def _image(docker: str | None, wanted: str | None) -> tuple[str, str]:
    """Why there is nothing, or "", and an image here that has python3."""
    if docker is None:
        return "no engine: docker is not installed", ""
    if subprocess.run([docker, "info"], capture_output=True).returncode != 0:
        return "no engine: no Docker daemon answers", ""
    listed = subprocess.run(
        [docker, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"], capture_output=True, text=True
    ).stdout.split()
    for image in [wanted] if wanted else [name for name in listed if "<none>" not in name]:
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
