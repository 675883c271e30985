"""One container from its making to its end: it runs one program, or one session, and never a second one."""

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

import aiodocker
from aiodocker.containers import DockerContainer
from aiodocker.stream import Stream

from adapters.container.errors import ENGINE_ERRORS, as_adapter_error
from adapters.runner.answer import Answer, AnswerError
from adapters.runner.job import packed
from host.errors import AdapterError
from host.interface import discard
from host.policy import Policy

__all__ = ["Box"]

_T = TypeVar("_T")
_NOT_FOUND = 404
_CONFLICT = 409
_STDOUT = 1
_MOST_TOLD = 2000
_WATCHFUL = Policy(name="start", max_output_bytes=0)


class Box:
    """A container of ours.

    Args:
        docker: the engine.
        config: what the container is like.
        job: what its runner is given at once.
        timeout_s: how long one call of the engine may take.

    Attributes:
        id: the container's, once it is made.
        name: what it is called.
    """

    def __init__(self, docker: aiodocker.Docker, config: Mapping[str, Any], job: bytes, timeout_s: float) -> None:
        self._docker = docker
        self._config = config
        self._job = packed(job)
        self._timeout_s = timeout_s
        self._container: DockerContainer | None = None
        self._stream: Stream | None = None
        self._complaint = b""
        self._killed = self._over = self._in_use = self._listens = False
        self._calling = 0
        self._next: asyncio.Task[bytes | None] | None = None
        self.id = ""
        self.name = f"understudy-{uuid.uuid4().hex}"

    @property
    def over(self) -> bool:
        """Whether it has been given up."""
        return self._over

    @property
    def waits(self) -> bool:
        """Whether its runner waits for a job: it has said nothing more, and nobody has ended it."""
        return self._stream is not None and self._next is not None and not self._next.done()

    @property
    def descriptors(self) -> int:
        """How many descriptors of this process it takes."""
        return self._calling + int(self._listens)

    @property
    def calling(self) -> bool:
        """Whether the engine is being asked for something, or a connection is being closed."""
        return self._calling > 0 or (self._over and self._listens)

    @property
    def in_use(self) -> bool:
        """Whether it has been given a job."""
        return self._in_use

    async def begin(self, start_timeout_s: float) -> None:
        """Make it, start it, and wait until its guest waits for a program.

        Raises:
            AdapterError: it does not come up. Nothing of it is left.
        """
        try:
            async with asyncio.timeout(start_timeout_s):
                await self._bring_up()
        except TimeoutError as error:
            await self.remove()
            raise AdapterError(
                f"the container was not ready after {start_timeout_s:g} s",
                remedy="Look at how busy the engine's machine is, or raise adapters.container.start_timeout_ms.",
                retryable=True,
                may_have_started=False,
            ) from error
        except ENGINE_ERRORS as error:
            await self.remove()
            raise as_adapter_error(error, "creating") from error
        except BaseException:
            await self.remove()
            raise

    async def _bring_up(self) -> None:
        self._container = self._docker.containers.container(self.name)  # it may be made though nobody hears of it
        create = self._docker.containers.create(config=dict(self._config), name=self.name)
        self._container = await self._completed(create)
        self.id = self._container.id
        self._stream = self._container.attach(stdin=True, stdout=True, stderr=True, logs=False)
        await self._called(self._stream.__aenter__())
        self._listens = True
        await self._called(self._container.start())
        answer = Answer(_WATCHFUL, discard)
        await self._stream.write_in(self._job)
        while not (answer.waits or answer.begun):
            data = await self._read()
            if data is None or answer.trouble:
                raise AdapterError(
                    f"the runner in the container ended before it was ready: {answer.trouble or self.complaint}",
                    remedy="Build the images of this version: understudy image build.",
                    may_have_started=False,
                )
            try:
                answer.feed(data)
            except AnswerError as error:
                raise AdapterError(
                    f"what runs in the container is no runner of ours: {error}", may_have_started=False
                ) from error
        self._next = asyncio.create_task(self._read(), name="understudy-container-waits")

    async def give(self, message: bytes) -> None:
        """Send it a job or a command.

        Raises:
            AdapterError: the engine or the container is gone.
        """
        self._in_use = True
        if self._stream is None:
            raise AdapterError("the container is gone", retryable=True, may_have_started=False)
        try:
            await self._stream.write_in(message)
        except ENGINE_ERRORS as error:
            raise as_adapter_error(error, "running") from error

    async def read(self) -> bytes | None:
        """What its runner says next; None when it is over, whoever ended it.

        Raises:
            AdapterError: the connection to the engine broke.
        """
        if self._next is not None:
            listening, self._next = self._next, None
            return await listening
        return await self._read()

    async def _read(self) -> bytes | None:
        stream = self._stream
        while stream is not None:
            try:
                message = await stream.read_out()
            except ENGINE_ERRORS as error:
                raise as_adapter_error(error, "running") from error
            if message is None:
                return None
            if message.stream == _STDOUT:
                return bytes(message.data)
            self._complaint = (self._complaint + message.data)[-_MOST_TOLD:]
        return None

    @property
    def complaint(self) -> str:
        """What came on its stderr, where only an interpreter or an engine in trouble writes."""
        return self._complaint.decode("utf-8", "replace").strip() or "it gave no reason"

    def hang_up(self) -> None:
        """Let go of its stdin: the runner ends everything inside, and then itself."""
        self._over = True
        if self._next is not None:
            self._next.cancel()
            self._next = None
        if self._stream is not None:
            stream, self._stream = self._stream, None
            closing = asyncio.ensure_future(stream.close())
            closing.add_done_callback(self._hung_up)

    def _hung_up(self, closing: "asyncio.Future[None]") -> None:
        self._listens = False
        if not closing.cancelled():
            closing.exception()  # nobody minds how the connection ended

    async def kill(self) -> None:
        """End it now, from outside. When this returns nothing of it runs.

        Raises:
            AdapterError: the engine does not answer, so nobody can tell.
        """
        if self._container is None or self._killed:
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._called(self._container.kill(signal="KILL"))
                await self._called(self._container.wait())
        except aiodocker.DockerError as error:
            if error.status not in (_NOT_FOUND, _CONFLICT):  # it is gone, or has ended
                raise as_adapter_error(error, "removing") from error
        except ENGINE_ERRORS as error:
            raise as_adapter_error(error, "removing") from error
        self._killed = True

    async def was_out_of_memory(self) -> bool | None:
        """Whether the kernel ended it for want of memory; None where the engine cannot say any more."""
        if self._container is None:
            return None
        with contextlib.suppress(*ENGINE_ERRORS):
            async with asyncio.timeout(self._timeout_s):
                state = (await self._called(self._container.show()))["State"]
                return bool(state.get("OOMKilled"))
        return None

    async def remove(self) -> None:
        """Have nothing of it left. Where the engine cannot be asked, its label tells the reaper."""
        self.hang_up()
        container, self._container = self._container, None
        if container is None:
            return
        with contextlib.suppress(*ENGINE_ERRORS):
            async with asyncio.timeout(self._timeout_s):
                await self._called(container.delete(force=True))

    async def _completed(self, call: Awaitable[_T]) -> _T:
        """The same for a call that is not given up on the way: what it makes would come after we had removed it."""
        calling = asyncio.ensure_future(self._called(call))
        try:
            return await asyncio.shield(calling)
        except asyncio.CancelledError:
            await asyncio.wait([calling], timeout=self._timeout_s)
            raise

    async def _called(self, call: Awaitable[_T]) -> _T:
        """What a call of the engine answers. Each has a connection of its own."""
        self._calling += 1
        try:
            return await call
        finally:
            self._calling -= 1
