"""The readiness probe: what AWS says of the functions, and from time to time a program in each of them."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from adapters.aws import identity
from adapters.aws.calls import Calls
from adapters.aws.errors import AwsError
from adapters.aws.kinds import Kind
from adapters.aws.remedies import as_text, policy
from adapters.aws_lambda.functions import Function
from adapters.aws_lambda.package import package
from adapters.aws_lambda.runs import Far
from adapters.aws_lambda.settings import LambdaSettings
from adapters.guest.contract import Guest, Missing
from adapters.guest.found import find
from adapters.runner.proofs import TryOut, prove
from host.errors import AdapterError, UnderstudyError
from host.interface import CheckResult, Finding
from host.models import ExecutionRequest, ExecutionResult
from host.policy import Policy

__all__ = ["Checks"]

_POLICY = Policy(name="check", max_execution_time=20_000, max_cpu_time=20_000, allowed_imports=None)


class Checks:
    """What has been seen of the functions.

    Attributes:
        turn: held by one check at a time, so that none proves what another is proving.
    """

    def __init__(
        self,
        calls: Calls,
        settings: LambdaSettings,
        guests: Mapping[str, Guest],
        folder: Path,
        try_out: TryOut,
        domains: Mapping[str, int],
    ) -> None:
        self.turn = asyncio.Lock()
        self._calls, self._settings, self._guests, self._folder = calls, settings, guests, folder
        self._try_out, self._domains = try_out, domains
        self._ran_at: dict[tuple[str, str], float] = {}
        self._fingerprints: dict[str, str] = {}

    def has_run(self, function: Function) -> None:
        """A program ran in it, which is as good as a proof."""
        self._ran_at[function.name, function.code_sha256] = time.monotonic()

    async def result(self, far: Mapping[str, Far], absent: Mapping[str, AdapterError]) -> CheckResult:
        """Say how things are.

        Args:
            far: the languages whose function is there.
            absent: the others, and why.
        """
        began = time.perf_counter()
        findings = [*await identity.look(self._calls), *self._absences(absent)]
        findings += [_found(each.function) for each in far.values()]
        findings += await asyncio.gather(*(self._compared(each.function) for each in far.values()))
        findings += [finding for each in far.values() if (finding := self._tenants(each.function))]
        due = [each.function for each in far.values() if self._is_due(each.function)]
        proofs = await asyncio.gather(*(self._proved(function) for function in due))
        findings += proofs
        failed = {function.language for function, proof in zip(due, proofs, strict=True) if not proof.ok}
        latency_ms = (time.perf_counter() - began) * 1000
        serving = sorted(set(far) - failed)
        if serving:
            reason = f"programs run in Lambda; languages: {', '.join(serving)}"
            return CheckResult(ok=True, reason=reason, latency_ms=latency_ms, findings=tuple(findings))
        first = next((finding for finding in findings if not finding.ok), None)
        return CheckResult(
            ok=False,
            reason=first.reason if first else "there is no guest for any language",
            remedy=first.remedy if first else "",
            latency_ms=latency_ms,
            findings=tuple(findings),
        )

    def _absences(self, absent: Mapping[str, AdapterError]) -> Sequence[Finding]:
        """Each function that is missing; where AWS cannot be asked at all, that once."""
        found: dict[str, Finding] = {}
        for language, error in absent.items():
            alike = isinstance(error, AwsError) and error.kind not in (Kind.NOT_FOUND, Kind.UNUSABLE)
            name = "AWS Lambda" if alike else language
            found.setdefault(name, Finding(name=name, ok=False, reason=error.message, remedy=self._remedy(error)))
        return list(found.values())

    def _remedy(self, error: AdapterError) -> str:
        if isinstance(error, AwsError) and error.kind is Kind.DENIED:
            region = self._calls.clients.region or "*"
            document = as_text(policy("lambda", region=region, name=f"{self._settings.functions}-*"))
            return f"{error.remedy} {document}"
        return error.remedy or "see the reason"

    async def _compared(self, function: Function) -> Finding:
        name = f"{function.language} package"
        if function.package == "":
            reason = f"{function.name} is not one that `understudy deploy lambda` has set up"
            return Finding(name=name, ok=False, reason=reason, remedy=self._settings.redeploy)
        try:
            ours = await asyncio.to_thread(self._fingerprint, function.language, function.environment)
        except (UnderstudyError, OSError, ValueError) as error:
            return Finding(name=name, ok=True, reason=f"it cannot be compared with this host's: {error}")
        if ours != function.package:
            reason = f"{function.name} has the package {function.package}, this host would deploy {ours}"
            return Finding(name=name, ok=False, reason=reason, remedy=self._settings.redeploy)
        return Finding(name=name, ok=True, reason=f"{function.package} is this host's")

    def _fingerprint(self, language: str, environment: str) -> str:
        if language not in self._fingerprints:
            found = find(self._guests[language], self._folder)
            if isinstance(found, Missing):
                raise ValueError(found.reason)
            self._fingerprints[language] = package(self._guests[language], found, environment).fingerprint
        return self._fingerprints[language]

    def _tenants(self, function: Function) -> Finding | None:
        if function.per_tenant or not self._settings.tenant:
            return None
        reason = f"adapters.lambda.tenant is set, and {function.name} does not keep tenants apart"
        remedy = f"delete the function and run `{self._settings.redeploy} --tenant-isolation`, or unset tenant"
        return Finding(name=f"{function.language} tenants", ok=False, reason=reason, remedy=remedy)

    def _is_due(self, function: Function) -> bool:
        ran_at = self._ran_at.get((function.name, function.code_sha256))
        return ran_at is None or time.monotonic() - ran_at >= self._settings.proof_every_s

    async def _proved(self, function: Function) -> Finding:
        errors: list[AdapterError] = []

        async def try_out(request: ExecutionRequest, policy: Policy) -> ExecutionResult:
            try:
                return await self._try_out(request, policy)
            except AdapterError as error:
                errors.append(error)
                raise

        proof = await prove(try_out, function.language, _POLICY)
        if proof.ok:
            landlock = self._domains.get(function.name)
            kept = f"Landlock {landlock} keeps programs to themselves" if landlock else "its kernel has no Landlock"
            return proof.model_copy(update={"reason": f"ran; {kept}"})
        return proof.model_copy(update={"remedy": self._remedy(errors[0]) if errors else self._settings.redeploy})


def _found(function: Function) -> Finding:
    reason = (
        f"{function.name} {function.version}: {function.runtime} on {function.architecture}, {function.memory_mb} MB, "
        f"{function.timeout_s} s"
    )
    return Finding(name=function.language, ok=True, reason=reason)
