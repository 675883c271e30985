"""A few warm parsing workers for one event loop."""

import asyncio
import contextlib
import json
import struct
import sys
from asyncio.subprocess import PIPE, Process
from typing import Any

from policies.facts import Facts, TooComplexError

__all__ = ["ParsingPool"]

_LENGTH = struct.Struct(">I")
_BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from policies.worker import serve; serve()"
"""An interpreter without site and without the environment finds its modules where this one does."""


class ParsingPool:
    """Hands code to worker processes. They are started when first needed and kept; one that overruns is killed."""

    def __init__(self, size: int = 2) -> None:
        self._slots = asyncio.Semaphore(size)
        self._idle: list[Process] = []
        self._closed = False

    async def read(self, code: str, language: str, deadline_s: float) -> Facts:
        """The facts of ``code``, from a worker.

        Raises:
            TooComplexError: there was no answer within the deadline, or the worker died of the code.
        """
        async with self._slots:
            worker = await self._take()
            try:
                async with asyncio.timeout(deadline_s):
                    answer = await _ask(worker, code, language, deadline_s)
            except TimeoutError:
                await _end(worker)
                raise TooComplexError(f"parsing it takes longer than {deadline_s * 1000:.0f} ms") from None
            except (asyncio.IncompleteReadError, OSError):
                await _end(worker)
                raise TooComplexError("parsing it takes more than the parser may have") from None
            except BaseException:  # cancelled: the worker is in the middle of something
                await asyncio.shield(_end(worker))
                raise
            if answer["retires"] or self._closed:
                await _end(worker)
            else:
                self._idle.append(worker)
        if "too_complex" in answer:
            raise TooComplexError(answer["too_complex"])
        return Facts.from_json(answer["facts"])

    async def aclose(self) -> None:
        """End the workers, the busy ones with their answer."""
        self._closed = True
        while self._idle:
            await _end(self._idle.pop())

    async def _take(self) -> Process:
        while self._idle:
            worker = self._idle.pop()
            if worker.returncode is None:
                return worker
        return await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", "-c", _BOOT, json.dumps(sys.path), stdin=PIPE, stdout=PIPE, env={}, cwd="/"
        )


async def _ask(worker: Process, code: str, language: str, deadline_s: float) -> dict[str, Any]:
    stdin, stdout = worker.stdin, worker.stdout
    if stdin is None or stdout is None:
        raise BrokenPipeError("the worker has no pipes")
    for part in (json.dumps([language, deadline_s]).encode(), code.encode("utf-8", "surrogatepass")):
        stdin.write(_LENGTH.pack(len(part)))
        stdin.write(part)
    await stdin.drain()
    (length,) = _LENGTH.unpack(await stdout.readexactly(_LENGTH.size))
    answer: dict[str, Any] = json.loads(await stdout.readexactly(length))
    return answer


async def _end(worker: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        worker.kill()
    if worker.stdin is not None:
        worker.stdin.close()
    await worker.wait()
