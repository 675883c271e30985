"""The sessions of one adapter at AWS: started, made ready, and stopped always.

A session costs money until it is stopped, so nothing here forgets one. Where a start is cut off, the session that it
may have made is looked for by its name; where a stop fails, it is tried again, by ``tidy`` and at the end; and what a
host that died left is found by its names by the next one. AWS itself ends each session at its time.
"""

import asyncio
import contextlib
import json
import secrets
import shlex
import time
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from adapters.aws.errors import AwsError
from adapters.aws.kinds import Kind
from adapters.bedrock.bundle import NAME, bundle
from adapters.bedrock.found import Found, Home, Memory, read_home
from adapters.bedrock.names import Names
from adapters.bedrock.tools import Tools
from host.errors import AdapterError
from host.events import get_logger

__all__ = ["STOP_S", "FarSession", "Sessions"]

_T = TypeVar("_T")
_log = get_logger("understudy.bedrock")
_MARGIN_S = 30.0
_CLOSE_S = 10.0
_TO_LOOK_S = 300.0
_GONE = (Kind.NOT_FOUND,)
_MADE_PERHAPS = (Kind.CUT, Kind.SERVICE_FAULT, Kind.CLOSED, Kind.INTERNAL)
STOP_S = 4.0
"""How long whoever cancels a run waits for the stop at most; it goes on behind."""


class FarSession:
    """One session at AWS.

    Attributes:
        id, name: as AWS has them.
        home: where everything is in it.
        started: when, by the monotonic clock.
        ends: when AWS ends it.
    """

    def __init__(self, identity: str, name: str, started: float, lifetime_s: float) -> None:
        self.id, self.name = identity, name
        self.started, self.ends = started, started + lifetime_s
        self.home = Home("", "", "")
        self.stopping: asyncio.Task[None] | None = None

    def outlives(self, seconds: float) -> bool:
        """Whether it will live so long, and a little longer."""
        return self.stopping is None and time.monotonic() + seconds + _MARGIN_S < self.ends


class Sessions:
    """All that are there, and how one is had.

    Args:
        tools: the interpreter.
        names: how they are named.
        memory: what is known of the interpreter.
        most: how many there may be at one time.
    """

    def __init__(self, tools: Tools, names: Names, memory: Memory, most: int) -> None:
        self.tools = tools
        self._names = names
        self._memory = memory
        self._most = most
        self._places = 0
        self._open: dict[str, FarSession] = {}
        self._unsure: set[str] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = self._given_up = False

    @property
    def count(self) -> int:
        """How many there are, with those that are being started or stopped."""
        return self._places

    @property
    def full(self) -> bool:
        """Whether there may be no more."""
        return self._places >= self._most

    async def ready(self, lifetime_s: float, *, ahead: bool = False, look: bool = False) -> FarSession:
        """A new session with everything in it.

        Args:
            lifetime_s: how long AWS lets it live.
            ahead: nobody waits for it, so there is time to compile.
            look: look around in it, even where that was done before.

        Raises:
            AdapterError: there is none. Nothing is left, and nothing of any caller's has run.
        """
        session = await self._started(lifetime_s)
        try:
            session.home = await self._made_ready(session, ahead=ahead, look=look or self._memory.found is None)
        except BaseException:
            await self.stop(session, within_s=STOP_S)
            raise
        return session

    async def look_around(self) -> None:
        """Find out what there is, in a session for that alone. Raises ``AdapterError`` where that cannot be done."""
        self.stop_soon(await self.ready(_TO_LOOK_S, look=True))

    async def stop(self, session: FarSession, *, within_s: float | None = None) -> None:
        """End a session, and wait until it has ended, at most so long. Cancelling does not stop the stopping.

        Raises:
            asyncio.CancelledError: after that.
        """
        self.stop_soon(session)
        assert session.stopping is not None  # noqa: S101 - the line above
        await _uncancelled(session.stopping, within_s)

    def stop_soon(self, session: FarSession) -> None:
        """Have a session ended, without waiting."""
        if session.stopping is None:
            session.stopping = self._spawn(self._stopped(session))

    async def reap(self, owners: Sequence[str]) -> int:
        """End the sessions of hosts that are gone. Raises ``AwsError`` where AWS cannot be asked."""
        prefixes = tuple(self._names.of(owner) for owner in owners)
        found = await self.tools.sessions("")
        left = [identity for identity, name in found if name.startswith(prefixes)]
        ended = await asyncio.gather(*map(self._stop_by_id, left))
        return sum(ended)

    async def tidy(self) -> None:
        """Try again to end what could not be ended, and look for what may have been started after all."""
        for session in list(self._open.values()):
            if time.monotonic() > session.ends:  # AWS has ended it
                self._forget(session)
            elif session.stopping is not None and session.stopping.done():
                session.stopping = None
                self.stop_soon(session)
        if self._unsure:
            await self._end_unsure()

    def aside(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that nobody waits for, but for ``aclose``; not while that gives up."""
        if self._given_up:
            work.close()
        else:
            self._spawn(work)

    async def aclose(self) -> None:
        """End them all; where AWS does not answer, the next host does."""
        self._closed = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                for session in list(self._open.values()):
                    self.stop_soon(session)
                while self._tasks:
                    await asyncio.wait(self._tasks)
                await self.tidy()
                while self._tasks:
                    await asyncio.wait(self._tasks)
        self._given_up = True
        for task in list(self._tasks):
            task.cancel()
        for session in self._open.values():
            _log.warning("bedrock_session_left", session=session.id, name=session.name, reason="the adapter closes")

    async def _started(self, lifetime_s: float) -> FarSession:
        if self._closed:
            raise AdapterError("The adapter is closed.", may_have_started=False)
        if self.full:
            raise AdapterError(
                f"This host has its {self._most} sessions at AWS already.",
                remedy="Send the request again in a moment, or raise adapters.bedrock.max_sessions.",
                retryable=True,
                may_have_started=False,
            )
        self._places += 1
        starting = self._spawn(self._start(self._names.new(), lifetime_s))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            undoing = self._spawn(self._undone(starting))
            await _uncancelled(undoing, STOP_S)
            raise

    async def _start(self, name: str, lifetime_s: float) -> FarSession:
        began = time.monotonic()
        try:
            identity = await self.tools.start(name, int(lifetime_s), secrets.token_hex(20))
        except BaseException as error:
            self._places -= 1
            if not isinstance(error, AwsError) or error.kind in _MADE_PERHAPS:
                self._unsure.add(name)
                self.aside(self._end_unsure())
            raise
        session = self._open[identity] = FarSession(identity, name, began, lifetime_s)
        if self._closed:
            self.stop_soon(session)
        return session

    async def _undone(self, starting: "asyncio.Task[FarSession]") -> None:
        with contextlib.suppress(AdapterError):
            session = await starting
            await self.stop(session)

    async def _made_ready(self, session: FarSession, *, ahead: bool, look: bool) -> Home:
        found = self._memory.found
        order = {"links": found.links if found is not None else {}, "look": look, "compile": ahead}
        await self.tools.write(session.id, [(NAME, bundle())])
        command = f"python3 -I -S -X utf8 {NAME} {shlex.quote(json.dumps(order))}"
        said = await self.tools.ask(session.id, command)
        if said.exit_code not in (0, None) or said.failed:
            raise AdapterError(
                f"The session could not be made ready (exit code {said.exit_code}): {said.complaint}",
                remedy="The code interpreter needs python3, 3.9 or later.",
                may_have_started=False,
            )
        home = read_home(said.stdout)
        if home.found is not None:
            self._learn(home.found)
        return home

    def _learn(self, found: Found) -> None:
        if self._memory.learn(found):
            _log.info("bedrock_found", python=found.python, tools=sorted(found.tools), packages=sorted(found.packages))

    async def _stopped(self, session: FarSession) -> None:
        if await self._stop_by_id(session.id):
            self._forget(session)

    def _forget(self, session: FarSession) -> None:
        if self._open.pop(session.id, None) is not None:
            self._places -= 1

    async def _stop_by_id(self, identity: str) -> bool:
        """Whether the session has ended."""
        try:
            await self.tools.stop(identity)
        except AwsError as error:
            if error.kind in _GONE:
                return True
            _log.warning("bedrock_session_left", session=identity, reason=error.message)
            return False
        return True

    async def _end_unsure(self) -> None:
        """End the sessions whose start did not tell whether it was one."""
        names = set(self._unsure)
        try:
            found = await self.tools.sessions(self._names.own)
        except AwsError as error:
            _log.warning("bedrock_session_unsure", names=sorted(names), reason=error.message)
            return
        ended = [await self._stop_by_id(identity) for identity, name in found if name in names]
        if all(ended):
            self._unsure -= names

    def _spawn(self, work: Coroutine[Any, Any, _T]) -> "asyncio.Task[_T]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._over)
        return task

    def _over(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # seen: whoever waits has it too


async def _uncancelled(task: "asyncio.Task[Any]", within_s: float | None) -> None:
    """Wait for a task, at most so long, however often this is cancelled meanwhile; then let the cancelling through."""
    until = None if within_s is None else time.monotonic() + within_s
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        left = None if until is None else until - time.monotonic()
        if left is not None and left <= 0:
            break
        try:
            await asyncio.wait((task,), timeout=left)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
