"""Conformance of sessions: what stays between commands, what does not, and how a session is over."""

# ruff: noqa: S101 - assert is how a test speaks

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from host.errors import AdapterError, SessionLost
from host.interface import Adapter, SessionAdapter
from host.models import ExecutionResult, Status, new_id
from host.policy import Limits
from host.testing.bench import Recorder
from host.testing.harness import Harness
from host.testing.programs.sessions import SESSIONS
from host.testing.through_host import sessions_through_host
from host.testing.traces import look, settled

__all__ = ["SessionConformance"]

Run = Callable[..., Awaitable[ExecutionResult]]
"""Runs one command: ``run(code, emit=..., limits=..., inputs=...)``."""

_SHORT = Limits(max_execution_time=1000)


class SessionConformance(Harness):
    """The part of ``AdapterConformance`` that looks at sessions; it runs for each of ``session_languages``."""

    # --- what stays ---------------------------------------------------------------------------------------------------

    def test_what_a_command_leaves_the_next_one_finds(self, kept: str | None) -> None:
        """Variables (tables, in SQL) live on between commands, over many of them."""

        async def commands(run: Run, language: str) -> None:
            programs = SESSIONS[language]
            assert (await run(programs.leave)).status is Status.SUCCEEDED
            for _ in range(5):
                assert _number(await run(programs.find)) == 42

        self._in_session(kept, commands)

    def test_sessions_do_not_see_each_other(self, kept: str | None) -> None:
        """What one session has another does not find, while both live and after the first is closed."""
        if kept is None:
            return
        programs = SESSIONS[kept]

        async def both() -> None:
            async with self._session(kept) as one, self._session(kept) as two:
                await one(programs.leave)
                assert not _found(await two(programs.find))
                assert _found(await one(programs.find))
            async with self._session(kept) as three:
                assert not _found(await three(programs.find))

        self.bench.run(both())

    def test_sessions_run_at_the_same_time(self, kept: str | None) -> None:
        """Eight sessions at once keep to themselves what each was given."""
        if kept is None:
            return

        async def one(n: int) -> list[Any]:
            async with self._session(kept) as run:
                return [_value(await run(SESSIONS[kept].takes, inputs={"n": 10 * n + turn})) for turn in range(3)]

        async def many() -> list[list[Any]]:
            return await asyncio.gather(*map(one, range(8)))

        expected = [[10 * n + turn for turn in range(3)] for n in range(8)]
        found = [[int(value) for value in values] for values in self.bench.run(many())]
        assert found == expected

    def test_inputs_are_each_commands_own(self, kept: str | None) -> None:
        """A command gets its inputs; those of an earlier one with the same name are replaced."""

        async def commands(run: Run, language: str) -> None:
            for n in (7, 8):
                assert int(_value(await run(SESSIONS[language].takes, inputs={"n": n}))) == n

        self._in_session(kept, commands)

    def test_the_work_folder_stays(self, kept: str | None) -> None:
        """A file that one command writes another reads."""
        if kept is None or not self.bench.adapter.capabilities().files:
            return

        async def commands(run: Run, language: str) -> None:
            programs = SESSIONS[language]
            if programs.write:
                await run(programs.write)
                assert _value(await run(programs.read)) == "kept"

        self._in_session(kept, commands)

    def test_a_command_that_fails_keeps_the_session(self, kept: str | None) -> None:
        """Errors of all kinds, and asking for an exit, end the command alone."""

        async def commands(run: Run, language: str) -> None:
            programs = SESSIONS[language]
            await run(programs.leave)
            for what, code in programs.fails.items():
                result = await run(code)
                assert result.status is Status.FAILED, f"{what}: {result}"
                assert _number(await run(programs.find)) == 42, f"after {what}"

        self._in_session(kept, commands)

    # --- what is each command's own -----------------------------------------------------------------------------------

    def test_output_is_each_commands_own(self, kept: str | None) -> None:
        """What a command wrote is in its result, whole, and in no other's; where output is streamed it is emitted."""

        async def commands(run: Run, language: str) -> None:
            for word, code in zip(("one", "two"), SESSIONS[language].prints, strict=False):
                emitted = Recorder()
                result = await run(code, emit=emitted)
                assert result.stdout.strip() == word, result
                if self.bench.adapter.capabilities().streaming:
                    assert emitted.text("stdout") == result.stdout
            silent = await run(SESSIONS[language].leave)
            assert (silent.stdout, silent.stderr) == ("", "")

        self._in_session(kept, commands)

    # --- how it is over -----------------------------------------------------------------------------------------------

    def test_a_deadline_is_a_result_and_then_a_type(self, kept: str | None) -> None:
        """A command that uses up its time is timed_out, with its output; the session goes on whole, or is lost."""

        async def commands(run: Run, language: str) -> None:
            programs = SESSIONS[language]
            if not programs.endless:
                return
            await run(programs.leave)
            result = await run(programs.endless, limits=_SHORT)
            assert result.status is Status.TIMED_OUT, result
            assert "ready" in result.stdout
            await self._whole_or_lost(run, language)

        self._in_session(kept, commands)

    def test_cancelling_stops_the_command(self, kept: str | None) -> None:
        """When CancelledError comes back the command is dead; the session goes on whole, or is lost."""

        async def commands(run: Run, language: str) -> None:
            programs = SESSIONS[language]
            if not programs.endless:
                return
            await run(programs.leave)
            emitted = Recorder()
            task = asyncio.ensure_future(run(programs.endless, emit=emitted))
            if self.bench.adapter.capabilities().streaming:
                await emitted.wait_for("ready")
            else:
                await asyncio.wait((task,), timeout=0.5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await self._whole_or_lost(run, language)

        self._in_session(kept, commands)

    def test_a_process_that_is_killed_is_lost(self, kept: str | None) -> None:
        """The command that kills its own process has a result; after it the session is lost, by type."""

        async def commands(run: Run, language: str) -> None:
            code = SESSIONS[language].ends_itself
            if not code:
                return
            result = await run(code)
            assert result.status in (Status.KILLED, Status.FAILED), result
            with pytest.raises(SessionLost):
                await run(SESSIONS[language].find)

        self._in_session(kept, commands)

    def test_closing_is_idempotent_and_leaves_nothing(self, kept: str | None) -> None:
        """A session that is closed is not alive, takes no command, may be closed again, and leaves no trace."""
        if kept is None:
            return
        folder = Path(self._state.name)
        self._in_session(kept, _nothing)  # what is made once is there before we compare
        before = look(folder)

        async def life() -> None:
            adapter, name = self._keeper(), new_id()
            await adapter.open(name, kept, self.policy)
            assert adapter.alive(name)
            for _ in range(2):
                await adapter.close(name)
                assert not adapter.alive(name)
            request = self._request(SESSIONS[kept].find, kept, session=name)
            with pytest.raises(SessionLost):
                await adapter.run(name, request, self.policy, Recorder())
            await adapter.close("nobody-of-that-name")
            assert not adapter.alive("nobody-of-that-name")

        self.bench.run(life())
        assert not settled(before, folder)

    def test_closing_ends_what_runs_in_it(self, kept: str | None) -> None:
        """Closing a session while a command runs ends the command, with a result or an AdapterError."""
        if kept is None or not SESSIONS[kept].endless or not self.bench.adapter.capabilities().streaming:
            return

        async def closed() -> Any:
            adapter, name = self._keeper(), new_id()
            await adapter.open(name, kept, self.policy)
            emitted = Recorder()
            request = self._request(SESSIONS[kept].endless, kept, session=name)
            task = asyncio.ensure_future(adapter.run(name, request, self.policy, emitted))
            await emitted.wait_for("ready")
            await adapter.close(name)
            async with asyncio.timeout(10):
                return (await asyncio.gather(task, return_exceptions=True))[0]

        ended = self.bench.run(closed())
        assert isinstance(ended, AdapterError | SessionLost | ExecutionResult), ended
        assert not isinstance(ended, ExecutionResult) or ended.status is not Status.SUCCEEDED

    def test_closing_the_adapter_ends_its_sessions(self, kept: str | None) -> None:
        """An adapter that is closed leaves nothing of the sessions that were open."""
        if kept is None:
            return
        folder = Path(self._state.name)
        self._in_session(kept, _nothing)
        before = look(folder)

        async def life() -> None:
            adapter = await self.bench.another()
            assert isinstance(adapter, SessionAdapter)
            async with self._session(kept, adapter) as run:
                await run(SESSIONS[kept].leave)
                await adapter.aclose()

        self.bench.run(life())
        assert not settled(before, folder)

    # --- through the host ---------------------------------------------------------------------------------------------

    def test_the_host_keeps_sessions(self, kept: str | None) -> None:
        """Through a host: commands that come at once run one after the other, and each has its record."""
        if kept is None:
            return
        programs = SESSIONS[kept]
        policy = self.policy.model_copy(update={"name": "plain"})
        codes = [programs.leave, *[programs.find] * 4]
        results, recorded = self.bench.run(
            sessions_through_host(type(self), Path(self._state.name), policy, kept, codes)
        )
        assert [result.status for result in results] == [Status.SUCCEEDED] * 5, results
        assert [_number(result) for result in results[1:]] == [42] * 4
        assert recorded == [result.id for result in results]
        assert {result.session for result in results} != {None}

    # --- how it is done -----------------------------------------------------------------------------------------------

    def _keeper(self) -> SessionAdapter:
        adapter = self.bench.adapter
        assert isinstance(adapter, SessionAdapter)
        return adapter

    @asynccontextmanager
    async def _session(self, language: str, adapter: Adapter | None = None) -> AsyncIterator[Run]:
        """A session for the time of a block; gives what runs a command in it."""
        keeper, name = adapter or self._keeper(), new_id()
        assert isinstance(keeper, SessionAdapter)
        await keeper.open(name, language, self.policy)

        async def run(code: str, *, emit: Any = None, limits: Limits | None = None, **fields: Any) -> ExecutionResult:
            request = self._request(code, language, session=name, limits=limits or Limits(), **fields)
            tight = self.policy.tighten(request.limits)
            refusal = keeper.accepts(request, tight)
            assert refusal is None, refusal
            return await keeper.run(name, request, tight, emit or Recorder())

        try:
            yield run
        finally:
            await keeper.close(name)

    def _in_session(self, language: str | None, commands: Callable[[Run, str], Awaitable[None]]) -> None:
        """Run commands in a new session; nothing where the adapter keeps none."""
        if language is None:
            return

        async def life() -> None:
            async with self._session(language) as run:
                await commands(run, language)

        self.bench.run(life())

    async def _whole_or_lost(self, run: Run, language: str) -> None:
        """A session that was interrupted still has what it had, or refuses with its type; nothing between."""
        with suppress(SessionLost):
            assert _number(await run(SESSIONS[language].find)) == 42


async def _nothing(run: Run, language: str) -> None:
    """No command at all."""


def _value(result: ExecutionResult) -> Any:
    """The value, or the one cell of a table."""
    assert result.status is Status.SUCCEEDED, result
    rows = getattr(result.value, "rows", result.value)
    return rows[0][0] if isinstance(rows, list | tuple) else rows


def _number(result: ExecutionResult) -> int:
    return int(_value(result))


def _found(result: ExecutionResult) -> bool:
    return result.status is Status.SUCCEEDED and _number(result) == 42
