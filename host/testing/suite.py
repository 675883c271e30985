"""The conformance suite: what every adapter must do, as a pytest class to subclass. See docs/adapters.md."""

# ruff: noqa: S101 - assert is how a test speaks

import asyncio
import fnmatch
import re
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from host.errors import AdapterError
from host.interface import Adapter, Capabilities, CheckResult, OutputEvent, Refusal, SessionAdapter
from host.models import ExecutionRequest, ExecutionResult, Status
from host.policy import ENFORCED_FIELDS, Enforcement, FileSystemAccess, Policy
from host.testing.bench import Bench, Recorder
from host.testing.cases import ENDLESS, GREETINGS, SLOW_CHARACTERS, cases_for, learn
from host.testing.missing import missing
from host.testing.program import Program
from host.testing.programs import Pair
from host.testing.through_host import run_through_host
from host.testing.traces import Traces, adopt_orphans, look, settled

__all__ = ["AdapterConformance"]

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_OWNER = "conformance"


class AdapterConformance:
    """Subclass it, say how the adapter is made, and let pytest collect the subclass.

    Example::

        class TestEcho(AdapterConformance):
            @classmethod
            def make_adapter(cls):
                return EchoAdapter()

    Attributes:
        settings: the adapter's table of the configuration.
        policy: what programs run under; cases tighten it.
        must_accept: patterns of program ids (``python-*``) that the adapter may not decline. What else it
            declines is counted as refused, with its reason, and is no failure.
    """

    settings: ClassVar[dict[str, Any]] = {}
    policy: ClassVar[Policy] = Policy(
        name="conformance",
        max_execution_time=20_000,
        max_cpu_time=20_000,
        max_memory_mb=256,
        max_output_bytes=1 << 20,
        allowed_imports=None,
        file_system_access=FileSystemAccess.SANDBOXED,
    )
    must_accept: ClassVar[Sequence[str]] = ()

    bench: ClassVar[Bench]
    claims: ClassVar[Capabilities | None]
    refused: ClassVar[dict[str, str]]
    _state: ClassVar[tempfile.TemporaryDirectory[str]]
    _others: ClassVar[frozenset[int]]

    @classmethod
    def make_adapter(cls) -> Adapter:
        """A new adapter, not started."""
        raise NotImplementedError("say in make_adapter how the adapter is made")

    # --- collection and set-up ----------------------------------------------------------------------------------------

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test for each program and language that the adapter claims; None stands where there is none."""
        cases = cases_for(learn(type(self)))
        for name in set(metafunc.fixturenames) & set(cases):
            metafunc.parametrize(name, cases[name] or [None], ids=lambda case: getattr(case, "id", case) or "none")

    @classmethod
    def setup_class(cls) -> None:
        """Start the adapter, or say why it is not ready: a skip on a laptop, a failure where ``CI`` is set."""
        adopt_orphans()
        cls.refused = {}
        cls._others = frozenset(look().processes)  # of the rest of the test session
        cls._state = tempfile.TemporaryDirectory(prefix="conformance-")
        try:
            cls.bench = Bench(cls.make_adapter, Path(cls._state.name), cls.settings, _OWNER)
        except AdapterError as error:
            cls._state.cleanup()
            missing(f"the adapter is not ready on this machine: {error}")
        check = cls.bench.run(cls.bench.adapter.check())
        if not check.ok:
            cls.teardown_class()
            missing(f"the adapter is not ready on this machine: {check.reason} {check.remedy}".strip())
        cls.claims = cls.bench.adapter.capabilities()
        if cls.claims.runs_code:
            cls._warm_up()

    @classmethod
    def teardown_class(cls) -> None:
        """Close the adapter; nothing of it may be left."""
        cls.bench.close()
        left = {pid: name for pid, name in look().processes.items() if pid not in cls._others}
        cls._state.cleanup()
        assert not left or not cls.__dict__.get("claims"), f"processes outlive aclose: {left}"

    @classmethod
    def _warm_up(cls) -> None:
        """One run of each language, so that what is made once (a pool, a cache) is there before we compare."""
        for language in cls.bench.adapter.capabilities().languages:
            if language in GREETINGS:
                cls.bench.execute(cls._request(GREETINGS[language], language), cls.policy)

    @classmethod
    def _request(cls, code: str, language: str, **more: Any) -> ExecutionRequest:
        return ExecutionRequest(code=code, language=language, policy=cls.policy.name, **more)

    def _ran(self, request: ExecutionRequest, emit: Any = None) -> ExecutionResult | None:
        """The result, or None where the adapter declines the request, which is counted."""
        result = self.bench.execute(request, self.policy, emit or Recorder())
        return self._counted(result, request.language, request.code)

    def _counted(self, result: ExecutionResult | Refusal, language: str, name: str) -> ExecutionResult | None:
        if isinstance(result, ExecutionResult):
            return result
        assert result.rule, "a refusal names its rule"
        assert result.reason, "a refusal gives its reason"
        assert not any(fnmatch.fnmatch(name, pattern) for pattern in self.must_accept), f"declined: {result.reason}"
        self.refused[name] = result.reason
        return None

    # --- protocol -----------------------------------------------------------------------------------------------------

    def test_it_is_an_adapter(self) -> None:
        """It has the methods of the contract and a name that configuration can use."""
        adapter = self.bench.adapter
        assert isinstance(adapter, Adapter)
        assert _NAME.fullmatch(adapter.name), adapter.name

    def test_capabilities_are_well_formed(self) -> None:
        """Languages, levels and version have their right form and stay the same."""
        claims = self.bench.adapter.capabilities()
        assert isinstance(claims, Capabilities)
        assert claims.version
        assert len(set(claims.languages)) == len(claims.languages) > 0
        assert set(claims.enforcement) <= set(ENFORCED_FIELDS)
        assert set(claims.enforcement_by_language) <= set(claims.languages)
        for fields in claims.enforcement_by_language.values():
            assert set(fields) <= set(ENFORCED_FIELDS)
        assert set(claims.session_languages) <= set(claims.languages)
        assert not claims.session_languages or isinstance(self.bench.adapter, SessionAdapter)
        assert claims == self.bench.adapter.capabilities()

    def test_check_says_why(self) -> None:
        """A check raises nothing, also several at once, and a bad finding names its remedy."""

        async def checks() -> list[CheckResult]:
            return await asyncio.gather(*(self.bench.adapter.check() for _ in range(3)))

        for check in self.bench.run(checks()):
            assert isinstance(check, CheckResult)
            assert check.reason
            for finding in check.findings:
                assert finding.ok or finding.remedy, f"finding {finding.name} is bad and names no remedy"

    def test_reap_of_nobody(self) -> None:
        """Reaping after owners that never were removes nothing."""
        assert self.bench.run(self.bench.adapter.reap(["nobody-of-that-name"])) == 0

    def test_close_without_a_run(self) -> None:
        """An adapter that ran nothing closes and leaves nothing."""
        before = look(Path(self._state.name))

        async def life() -> None:
            await (await self.bench.another()).aclose()

        self.bench.run(life())
        assert not settled(before, Path(self._state.name))

    # --- programs -----------------------------------------------------------------------------------------------------

    def test_program(self, program: Program | None, record_property: Any) -> None:
        """The program ends as it should, says what it should, and leaves no process, mount, descriptor or file."""
        if program is None:
            return
        folder = Path(self._state.name)
        before = look(folder)
        emitted = Recorder()
        outcome = self.bench.execute(program.request(self.policy.name), self.policy, emitted)
        result = self._counted(outcome, program.language, program.id)
        if result is None:
            record_property("refused", self.refused[program.id])
            return
        complaints = program.complaints(result)
        assert not complaints, f"{program.proves} But:\n" + "\n".join(complaints)
        assert result.usage.wall_ms is None or result.usage.wall_ms > 0
        self._assert_emitted(result, emitted)
        left = settled(before, folder)
        assert not left, left

    def _assert_emitted(self, result: ExecutionResult, emitted: Recorder) -> None:
        if not self.bench.adapter.capabilities().streaming:
            return
        for stream in ("stdout", "stderr"):
            text = emitted.text(stream)
            whole = getattr(result, stream)
            assert text == whole or (result.truncated and text.startswith(whole)), (
                f"what was emitted on {stream} differs"
            )

    def test_greeting(self, language: str | None) -> None:
        """What runs code greets; a stand-in says that nothing ran and what to do instead."""
        if language is None:
            return
        result = self._ran(self._request(GREETINGS[language], language))
        if result is None:
            return
        if self.bench.adapter.capabilities().runs_code:
            assert "hello" in result.stdout + str(result.value), result
        else:
            assert result.status is Status.NOT_IMPLEMENTED
            assert not result.may_have_started
            assert result.message
            assert result.fallback_action

    def test_nothing_leaks_to_the_next_run(self, pair: Pair | None) -> None:
        """What one program leaves in files, environment, globals or modules the next one does not find."""
        if pair is None:
            return
        first = self._ran(self._request(pair.first, pair.language))
        second = self._ran(self._request(pair.second, pair.language))
        if first is None or second is None:
            return
        value = second.value.rows[0][0] if hasattr(second.value, "rows") else second.value
        assert second.status is Status.SUCCEEDED, second
        assert value == pair.value, f"the second program found {second.value!r}"

    # --- streams, cancelling, many at once ----------------------------------------------------------------------------

    def test_characters_are_whole(self) -> None:
        """Characters that are written byte by byte are emitted whole and in order."""
        claims = self.bench.adapter.capabilities()
        if not (claims.runs_code and claims.streaming and "python" in claims.languages):
            return
        emitted = Recorder()
        result = self._ran(self._request(SLOW_CHARACTERS, "python"), emitted)
        if result is None:
            return
        assert result.stdout == "\U0001f600\u00e9\u20ac" * 20
        assert emitted.text("stdout") == result.stdout
        texts = [event.text for event in emitted.events if isinstance(event, OutputEvent)]
        assert all(texts), "no event is empty"
        assert not any("\ufffd" in text for text in texts)

    def test_cancel_stops_the_program(self, endless: str | None) -> None:
        """When CancelledError comes back the program and all it started are dead and nothing of it is left."""
        if endless is None:
            return
        folder = Path(self._state.name)
        before = look(folder)

        async def cancelled() -> list[str] | None:
            emitted = Recorder()
            request = self._request(ENDLESS[endless], endless)
            task = asyncio.ensure_future(self.bench.execute_async(request, self.policy, emitted))
            await self._begun(task, emitted)
            if task.done():
                self._counted(task.result(), endless, f"{endless}-endless")
                return None
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return look(folder).left_since(before)

        left = self.bench.run(cancelled())
        if left and not [line for line in left if "process" not in line]:
            left = settled(before, folder, within_s=0.5)  # a pool may have replaced its worker already
        assert not left, left

    async def _begun(self, task: "asyncio.Future[Any]", emitted: Recorder) -> None:
        """Return once the program has said that it is there; where nothing is streamed, once it had time to start."""
        if self.bench.adapter.capabilities().streaming:
            waiting = asyncio.ensure_future(emitted.wait_for("ready"))
            await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
        else:
            await asyncio.wait((task,), timeout=0.5)

    def test_closing_ends_what_runs(self, endless: str | None) -> None:
        """Closing an adapter ends its runs, each with a result or an AdapterError, and leaves nothing."""
        if endless is None:
            return
        folder = Path(self._state.name)
        before = look(folder)

        async def closed() -> tuple[Any, Traces]:
            adapter = await self.bench.another()
            greeting = self._request(GREETINGS[endless], endless)
            await self.bench.execute_async(greeting, self.policy, adapter=adapter)  # what it caches is no leftover
            cached = replace(before, files=look(folder).files)
            emitted = Recorder()
            request = self._request(ENDLESS[endless], endless)
            task = asyncio.ensure_future(self.bench.execute_async(request, self.policy, emitted, adapter))
            await self._begun(task, emitted)
            await adapter.aclose()
            async with asyncio.timeout(10):
                return (await asyncio.gather(task, return_exceptions=True))[0], cached

        ended, cached = self.bench.run(closed())
        assert isinstance(ended, ExecutionResult | Refusal | AdapterError | asyncio.CancelledError), repr(ended)
        left = settled(cached, folder)
        assert not left, left

    def test_many_at_once(self, language: str | None) -> None:
        """Eight runs at the same time keep their inputs, values and output apart."""
        if language is None or not self.bench.adapter.capabilities().runs_code:
            return
        code = {
            "python": "print('n is', n)\nresult = [n, tag]",
            "bash": 'echo "n is ${inputs[n]}"; result="${inputs[tag]}"',
        }.get(language)
        if code is None:
            return

        async def many() -> list[ExecutionResult | Refusal]:
            requests = [self._request(code, language, inputs={"n": n, "tag": f"run-{n}"}) for n in range(8)]
            return await asyncio.gather(*(self.bench.execute_async(request, self.policy) for request in requests))

        for n, result in enumerate(self.bench.run(many())):
            if self._counted(result, language, f"{language}-many") is None:
                return
            assert isinstance(result, ExecutionResult)
            assert result.stdout == f"n is {n}\n"
            assert result.value == ([n, f"run-{n}"] if language == "python" else f"run-{n}")

    # --- through the host ---------------------------------------------------------------------------------------------

    def test_the_host_denies(self) -> None:
        """Where the policy requires more than the adapter holds, the host denies the run and says which field."""
        claims = self.bench.adapter.capabilities()
        language = claims.languages[0]
        weak = [name for name in ENFORCED_FIELDS if claims.level(name, language) is not Enforcement.WALL]
        if not claims.runs_code or not weak:
            return
        policy = Policy(name="demanding", allowed_imports=None, enforcement={weak[0]: Enforcement.WALL})
        result = self.bench.run(
            run_through_host(type(self), Path(self._state.name), policy, GREETINGS[language], language)
        )
        assert result.status is Status.DENIED, result
        assert weak[0] in result.reason
        assert not result.may_have_started

    def test_the_host_runs(self, language: str | None) -> None:
        """The host serves a request through it and records adapter, version, policy and hashes."""
        if language is None:
            return
        policy = self.policy.model_copy(update={"name": "plain"})
        result = self.bench.run(
            run_through_host(type(self), Path(self._state.name), policy, GREETINGS[language], language)
        )
        if result.status is Status.DENIED:  # the adapter declined it
            return
        claims = self.bench.adapter.capabilities()
        assert result.status is (Status.SUCCEEDED if claims.runs_code else Status.NOT_IMPLEMENTED), result
        assert (result.adapter, result.adapter_version) == (self.bench.adapter.name, claims.version)
        assert result.policy == "plain"
        assert len(result.provenance.code_sha256) == 64
