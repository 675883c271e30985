"""The readiness probe: region and credentials, the service, the interpreter, what runs there, and what it costs."""

import asyncio
import time
from collections.abc import Callable, Sequence

from adapters.aws.calls import Calls
from adapters.aws.errors import AwsError, finding
from adapters.aws.identity import look
from adapters.aws.kinds import Kind
from adapters.aws.remedies import as_text, policy
from adapters.bedrock.found import Memory
from adapters.bedrock.sessions import Sessions
from adapters.bedrock.settings import SYSTEM_INTERPRETER, BedrockSettings
from adapters.bedrock.warm import Warm
from adapters.runner.proofs import POLICY, TryOut, prove
from host.errors import AdapterError
from host.interface import CheckResult, Finding
from host.models import ExecutionRequest, Status

__all__ = ["Checks"]

_READY = "READY"
_NEEDED = ("AWS region", "AWS credentials", "service", "interpreter", "session", "python program")
_INSIDE = """
import os, socket

def is_refused(action):
    try:
        action()
    except OSError:
        return True
    return False

def look_into_another():
    with open(f"/proc/{os.getppid()}/stat") as stat:
        another = stat.read().rpartition(")")[2].split()[1]
    open(f"/proc/{another}/mem", "rb").close()

def write_elsewhere():
    folder = f"/var/tmp/understudy-{os.getpid()}"
    os.mkdir(folder)
    os.rmdir(folder)

result = [name for name, action in {
    "the network": lambda: socket.socket(socket.AF_INET),
    "the memory of other processes": look_into_another,
    "the folders of others": write_elsewhere,
}.items() if not is_refused(action)]
"""
"""Says what is open to it that should be closed."""


class Checks:
    """The checks of one adapter. Several at a time are one.

    Args:
        calls, sessions, warm, memory: the adapter's.
        settings: how often programs are run, and what there is to pay for.
        try_out: runs a program.
    """

    def __init__(
        self,
        calls: Calls,
        sessions: Sessions,
        warm: Warm,
        memory: Memory,
        settings: BedrockSettings,
        try_out: TryOut,
    ) -> None:
        self._calls = calls
        self._sessions = sessions
        self._warm = warm
        self._memory = memory
        self._settings = settings
        self._try_out = try_out
        self._under_way: asyncio.Task[CheckResult] | None = None

    async def check(self, languages: Callable[[], Sequence[str]]) -> CheckResult:
        """Look at everything.

        Args:
            languages: those that are offered now.
        """
        if self._under_way is None or self._under_way.done():
            self._under_way = asyncio.get_running_loop().create_task(self._check(languages))
        return await asyncio.shield(self._under_way)

    async def aclose(self) -> None:
        """End a check that is under way."""
        if self._under_way is not None:
            self._under_way.cancel()
            await asyncio.wait((self._under_way,))

    async def available(self) -> Finding:
        """Whether the service is there, and lets us in: one question to it."""
        return (await self._service())[-1]

    async def _check(self, languages: Callable[[], Sequence[str]]) -> CheckResult:
        began = time.perf_counter()
        findings = list(await look(self._calls))
        if _blocking(findings) is None:
            findings += await self._service()
        if _blocking(findings) is None:
            findings += await self._programs(languages)
        if _blocking(findings) is None:
            findings += [self._shut(), await self._in_use(), self._waiting()]
        first = _blocking(findings)
        if first is None and not languages():
            first = Finding(
                name="languages",
                ok=False,
                reason="no language is offered",
                remedy="Mend languages in [adapters.bedrock], or leave it out.",
            )
            findings.append(first)
        latency_ms = (time.perf_counter() - began) * 1000
        if first is not None:
            reason, remedy = first.reason, first.remedy
            return CheckResult(ok=False, reason=reason, remedy=remedy, latency_ms=latency_ms, findings=tuple(findings))
        reason = f"AgentCore Code Interpreter in {self._calls.clients.region}; languages: {', '.join(languages())}"
        return CheckResult(ok=True, reason=reason, latency_ms=latency_ms, findings=tuple(findings))

    async def _service(self) -> list[Finding]:
        """The service and the interpreter; the last one says whether both are there."""
        name = self._settings.interpreter
        try:
            known = await self._sessions.tools.look()
        except AwsError as error:
            return [self._denied(error, "service") if error.kind is Kind.DENIED else finding(error, "service")]
        there = Finding(name="service", ok=True, reason=f"it answers in {self._calls.clients.region}")
        status = str(known.get("status"))
        network = str((known.get("networkConfiguration") or {}).get("networkMode"))
        if status != _READY:
            why = known.get("failureReason") or "it is not ready"
            remedy = "Wait until it is READY, or set interpreter in [adapters.bedrock] to another one."
            return [there, Finding(name="interpreter", ok=False, reason=f"{name} is {status}: {why}", remedy=remedy)]
        reason = f"{name} is READY, network mode {network}; programs are kept from every network all the same"
        return [there, Finding(name="interpreter", ok=True, reason=reason)]

    def _denied(self, error: AdapterError, what: str) -> Finding:
        """With the policy that lets us in."""
        name = self._settings.interpreter
        region = self._calls.clients.region or "*"
        own = name != SYSTEM_INTERPRETER
        document = policy("bedrock-own", region=region, name=name) if own else policy("bedrock", region=region)
        remedy = f"{error.remedy} It is:\n{as_text(document)}"
        return Finding(name=what, ok=False, reason=error.message, remedy=remedy)

    async def _programs(self, languages: Callable[[], Sequence[str]]) -> list[Finding]:
        """Look around where that is long ago, and run a program of each language that has not run for long."""
        every_s = self._settings.proof_every_s
        if self._memory.found is None or not self._memory.is_fresh(self._memory.looked_at, every_s):
            try:
                await self._sessions.look_around()
            except AdapterError as error:
                denied = isinstance(error, AwsError) and error.kind is Kind.DENIED
                return [self._denied(error, "session") if denied else finding(error, "session")]
        names = list(languages())
        fresh = [name for name in names if self._memory.is_fresh(self._memory.proved.get(name, 0.0), every_s)]
        found = list(await asyncio.gather(*(self._prove(name) for name in names if name not in fresh)))
        reason = f"ran within the last {every_s} s"
        return found + [Finding(name=f"{name} program", ok=True, reason=reason) for name in fresh]

    async def _prove(self, language: str) -> Finding:
        if language == "python":
            return await self._prove_python()
        proof = await prove(self._try_out, language)
        if proof.ok:
            self._memory.prove(language)
        return proof

    async def _prove_python(self) -> Finding:
        """One that tries what it must not be able to do."""
        name = "python program"
        try:
            result = await self._try_out(ExecutionRequest(code=_INSIDE, language="python"), POLICY)
        except AdapterError as error:
            if isinstance(error, AwsError) and error.kind is Kind.DENIED:
                return self._denied(error, name)
            return Finding(name=name, ok=False, reason=error.message, remedy=error.remedy or "see the reason")
        if result.status is not Status.SUCCEEDED or not isinstance(result.value, list):
            reason = f"{result.status}: {result.reason} {result.stderr}".strip()
            return Finding(name=name, ok=False, reason=reason, remedy="see the reason")
        self._memory.prove("python")
        if result.value:
            reason = f"it ran, and {', '.join(map(str, result.value))} are open to it; what depends on that is advice"
        else:
            reason = "it ran, and was refused the network, other processes' memory and other folders"
        return Finding(name=name, ok=True, reason=reason)

    def _shut(self) -> Finding:
        found = self._memory.found
        if found is not None and found.memory_closed and found.writes_closed:
            return Finding(name="shut in", ok=True, reason="programs are kept from the service's own processes")
        return Finding(
            name="shut in",
            ok=False,
            reason="the kernel there does not keep a program from the service's own processes beside it, so that what "
            "is held inside is no more than advice",
            remedy="Serve policies that require `guest` with another adapter, or set another interpreter.",
        )

    async def _in_use(self) -> Finding:
        own = self._sessions.count
        try:
            running = len(await self._sessions.tools.sessions(f"{self._settings.name_prefix}-"))
        except AwsError as error:
            return finding(error, "sessions")
        reason = f"{own} of this host (at most {self._settings.max_sessions}), {running} of all hosts in this account"
        return Finding(name="sessions", ok=True, reason=reason)

    def _waiting(self) -> Finding:
        warm = self._warm
        reason = (
            f"{warm.ready} sessions are ready and {warm.coming} are coming; {warm.served} were handed out, "
            f"{warm.missed} had to be started on the spot; for the {warm.waited_s:.0f} s that they have waited in all "
            "their memory is charged"
        )
        return Finding(name="warm", ok=True, reason=reason)


def _blocking(findings: Sequence[Finding]) -> Finding | None:
    """What keeps the adapter from serving, if anything does."""
    return next((each for each in findings if not each.ok and each.name in _NEEDED), None)
