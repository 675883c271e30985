"""The conformance suite: what every adapter must do, as a pytest class to subclass. See docs/adapters.md."""

# ruff: noqa: S101 - assert is how a test speaks

import asyncio
import re
from pathlib import Path
from typing import Any

from host.interface import Adapter, Capabilities, CheckResult, SessionAdapter
from host.models import ExecutionResult, Status
from host.policy import ENFORCED_FIELDS, Enforcement, Policy
from host.testing.bench import Recorder
from host.testing.cases import GREETINGS
from host.testing.enforcement import Trial
from host.testing.life import LifeConformance
from host.testing.program import Program
from host.testing.programs import Pair
from host.testing.sessions import SessionConformance
from host.testing.through_host import run_through_host
from host.testing.traces import look, settled

__all__ = ["AdapterConformance"]

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")


class AdapterConformance(LifeConformance, SessionConformance):
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

    def test_it_holds_what_it_says(self, trial: Trial | None) -> None:
        """A policy field that it says it enforces holds against a program that tries to get past it."""
        if trial is None:
            return
        policy = trial.under(self.policy)
        result = self.bench.execute(trial.request(policy.name), policy)
        if self._counted(result, "python", f"trial-{trial.policy_field}") is not None:
            assert isinstance(result, ExecutionResult)
            assert trial.held(result), f"{trial.policy_field} does not hold: {result.model_dump_json(indent=1)}"

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
