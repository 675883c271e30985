"""How the conformance suite starts an adapter, asks it for runs, and counts what it declines."""

# ruff: noqa: S101 - assert is how a test speaks

import fnmatch
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from host.errors import AdapterError
from host.interface import Adapter, Capabilities, Refusal
from host.models import ExecutionRequest, ExecutionResult
from host.policy import FileSystemAccess, Policy
from host.testing.bench import Bench, Recorder
from host.testing.cases import GREETINGS, cases_for, learn
from host.testing.missing import missing
from host.testing.traces import adopt_orphans, count_in, leave_out, look

__all__ = ["Harness"]

_OWNER = "conformance"


class Harness:
    """One adapter, started for all tests of a class.

    Attributes:
        settings, policy, must_accept: see ``AdapterConformance``.
        bench: the adapter at work.
        claims: its capabilities, once it is ready.
        refused: the programs that it declined, with its reasons.
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
        """One test for each program and language that the adapter claims; None stands where there is none.

        Nothing is started for tests that are left out.
        """
        left_out = metafunc.definition.get_closest_marker("engine") and metafunc.config.option.markexpr == "not engine"
        cases = cases_for(None if left_out else learn(type(self)))
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
        leave_out(cls.bench.adapter)
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
        count_in(cls.bench.adapter)
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
