"""A few warm parsing workers for one event loop."""

import asyncio
import contextlib
import json
import os
import shutil
import sys
from asyncio.subprocess import PIPE, Process
from typing import Any

from host.shut_in import BOOT, LENGTH
from policies.bash import with_second_opinion
from policies.facts import Facts, TooComplexError

__all__ = ["ParsingPool"]

_START_S = 30.0
_BOOT = BOOT + "import policies.worker as worker; "


class ParsingPool:
    """Hands code to worker processes. They are started when first needed and kept; one that overruns is killed.

    Args:
        size: how many may be busy at a time. Idle ones are kept for each language that was asked for.
    """

    def __init__(self, size: int = 2) -> None:
        self._slots = asyncio.Semaphore(size)
        self._idle: dict[str, list[Process]] = {}
        self._closed = False

    async def read(self, code: str, language: str, deadline_s: float) -> Facts:
        """The facts of ``code``, from a worker.

        Raises:
            TooComplexError: there was no answer within the deadline, or the worker died of the code.
        """
        async with self._slots:
            answer = await self._answer(code, language, deadline_s)
            if "too_complex" in answer:
                raise TooComplexError(answer["too_complex"])
            facts = Facts.from_json(answer["facts"])
            if language == "bash" and facts.error is not None:
                facts = await _ask_bash(facts, code, deadline_s)
            return facts

    async def aclose(self) -> None:
        """End the workers, the busy ones with their answer."""
        self._closed = True
        for workers in self._idle.values():
            while workers:
                await _end(workers.pop())

    async def _answer(self, code: str, language: str, deadline_s: float) -> dict[str, Any]:
        worker = await self._take(language)
        try:
            async with asyncio.timeout(deadline_s):
                answer = await _ask(worker, code, deadline_s)
        except TimeoutError:
            await _end(worker)
            raise TooComplexError(f"parsing it takes longer than {deadline_s * 1000:.0f} ms") from None
        except (asyncio.IncompleteReadError, OSError):
            await _end(worker)
            raise TooComplexError("the parser died of it") from None
        except BaseException:  # cancelled: the worker is in the middle of something
            await asyncio.shield(_end(worker))
            raise
        if answer["retires"] or self._closed:
            await _end(worker)
        else:
            self._idle.setdefault(language, []).append(worker)
        return answer

    async def _take(self, language: str) -> Process:
        """An idle worker, or a new one that has said that it is ready."""
        idle = self._idle.get(language, [])
        while idle:
            worker = idle.pop()
            if worker.returncode is None:
                return worker
        worker = await _start(f"worker.serve({language!r})", stderr=None)
        try:
            async with asyncio.timeout(_START_S):
                await _frame(worker)
        except (TimeoutError, asyncio.IncompleteReadError, OSError):
            await _end(worker)
            raise TooComplexError("its parser cannot be started on this machine") from None
        except BaseException:
            await asyncio.shield(_end(worker))
            raise
        return worker


async def _start(call: str, stderr: int | None) -> Process:
    command = [sys.executable, "-I", "-S", "-c", _BOOT + call, json.dumps(sys.path)]
    return await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=stderr, env={}, cwd="/")


async def _ask(worker: Process, code: str, deadline_s: float) -> dict[str, Any]:
    if worker.stdin is None:
        raise BrokenPipeError("the worker has no pipes")
    for part in (json.dumps([deadline_s]).encode(), code.encode("utf-8", "surrogatepass")):
        worker.stdin.write(LENGTH.pack(len(part)))
        worker.stdin.write(part)
    await worker.stdin.drain()
    answer: dict[str, Any] = json.loads(await _frame(worker))
    return answer


async def _frame(worker: Process) -> bytes:
    if worker.stdout is None:
        raise BrokenPipeError("the worker has no pipes")
    (length,) = LENGTH.unpack(await worker.stdout.readexactly(LENGTH.size))
    return await worker.stdout.readexactly(length)


async def _ask_bash(facts: Facts, code: str, deadline_s: float) -> Facts:
    """The facts with what Bash itself says of the error; where Bash is not installed the grammar's error counts."""
    bash = shutil.which("bash", path=os.defpath)
    if bash is None:
        return Facts(error=facts.error)
    process = await _start(f"worker.become_bash({bash!r}, {deadline_s})", stderr=PIPE)
    try:
        async with asyncio.timeout(_START_S):
            _, said = await process.communicate(code.encode("utf-8", "surrogatepass"))
    except TimeoutError:
        raise TooComplexError("Bash takes too long to parse it") from None
    finally:
        await asyncio.shield(_end(process))
    if process.returncode is None or process.returncode < 0:
        raise TooComplexError("Bash's own parser died of it")
    return with_second_opinion(facts, code, accepted=process.returncode == 0, said=said.decode("utf-8", "replace"))


async def _end(worker: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        worker.kill()
    if worker.stdin is not None:
        worker.stdin.close()
    await worker.wait()
