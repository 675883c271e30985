"""The readiness probe: credentials, the image, and programs that really run in it, each lack with its remedy."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from adapters.aws.calls import Calls
from adapters.aws.errors import AwsError, finding
from adapters.aws.identity import look as look_at_identity
from adapters.aws.kinds import Kind
from adapters.aws.remedies import as_text, policy
from adapters.guest.contract import Missing
from adapters.lambda_microvm.engine import Engine
from adapters.lambda_microvm.package import package_hash
from adapters.lambda_microvm.proofs import Proofs
from adapters.lambda_microvm.service import DEPLOY, Service
from adapters.lambda_microvm.settings import NAME, MicrovmSettings
from adapters.runner.proofs import prove
from host.errors import AdapterError
from host.interface import CheckResult, Finding, discard
from host.models import ExecutionRequest, ExecutionResult
from host.policy import Policy

__all__ = ["Check"]

_USABLE = frozenset({"CREATED", "UPDATED", "UPDATING", "UPDATE_FAILED"})
_FAILED = frozenset({"CREATE_FAILED", "DELETING", "DELETED", "DELETE_FAILED"})


class Check:
    """Looks at what one adapter needs.

    Args:
        calls: to AWS.
        service: the MicroVMs.
        settings: how they are to be.
        proofs: what was proved before.
        engine: runs programs.
    """

    def __init__(
        self, calls: Calls, service: Service, settings: MicrovmSettings, proofs: Proofs, engine: Engine
    ) -> None:
        self._calls = calls
        self._service = service
        self._settings = settings
        self._proofs = proofs
        self._engine = engine
        self._image = ""
        self._turn = asyncio.Lock()

    def absent(self, languages: Sequence[str]) -> dict[str, Missing]:
        """Of these, those that the image does not have."""
        return {
            name: Missing(f"the image does not run {name}", f"Deploy it with {name} among its --languages.")
            for name in self._proofs.absent(self._image)
            if name in languages
        }

    async def look(self, languages: Sequence[str]) -> CheckResult:
        """Look at everything. Programs are run only where their last proof is too old."""
        began = time.perf_counter()
        async with self._turn:  # so that checks that come together pay for one proof
            findings = list(await look_at_identity(self._calls))
            if all(each.ok for each in findings):
                findings.append(await self._look_at_image())
            if all(each.ok for each in findings):
                findings += [self._way_out(), *await self._prove(languages)]
        bad = next((each for each in findings if not each.ok and each.name not in self._beside(findings)), None)
        latency_ms = (time.perf_counter() - began) * 1000
        if bad is not None:
            return CheckResult(
                ok=False, reason=bad.reason, remedy=bad.remedy, latency_ms=latency_ms, findings=tuple(findings)
            )
        here = [name for name in languages if name not in self._proofs.absent(self._image)]
        reason = f"MicroVMs of {self._settings.image} run programs; languages: {', '.join(here)}"
        return CheckResult(ok=True, reason=reason, latency_ms=latency_ms, findings=tuple(findings))

    def _beside(self, findings: Sequence[Finding]) -> set[str]:
        """Languages that do not run hold nothing up while others do."""
        programs = [each for each in findings if each.name.endswith(" program")]
        return {each.name for each in programs} if any(each.ok for each in programs) else set()

    async def _look_at_image(self) -> Finding:
        try:
            said = await self._service.describe_image()
        except AdapterError as error:
            return finding(_with_policy(error, self._settings), "image")
        state, name = said["state"], said["name"]
        version = self._settings.version or said.get("latestActiveImageVersion", "")
        self._image = f"{said['imageArn']}@{version} {package_hash()} {self._settings.egress_connector}"
        if state in _FAILED or (state in _USABLE and not version):
            reason = f"image {name} is {state}, and no version of it is active"
            return Finding(name="image", ok=False, reason=reason, remedy=f"See its build log, then run `{DEPLOY}`.")
        if state not in _USABLE:
            reason = f"image {name} is {state}"
            return Finding(name="image", ok=False, reason=reason, remedy="Wait until AWS has built it.")
        return Finding(name="image", ok=True, reason=f"{name}, version {version}")

    def _way_out(self) -> Finding:
        connector = self._settings.egress_connector
        if connector:
            reason = f"all that goes out goes through {connector}, which has to let nothing out"
        else:
            reason = "AWS gives each MicroVM a way to the internet; the filter inside keeps programs from it"
        return Finding(name="network", ok=True, reason=reason)

    async def _prove(self, languages: Sequence[str]) -> list[Finding]:
        due = self._proofs.due(self._image, languages)
        if not due:
            return self._known(languages, ())
        first = await prove(self._try_out, due[0])  # it also shows which languages there are
        proved = {due[0]: first}
        facts = self._engine.facts
        if facts is None:
            return [first]
        rest = [name for name in due[1:] if name in facts.runtimes]
        proved |= dict(zip(rest, await asyncio.gather(*(prove(self._try_out, name) for name in rest)), strict=True))
        absent = [name for name in languages if name not in facts.runtimes]
        self._proofs.keep(self._image, [name for name, each in proved.items() if each.ok], absent)
        there = [each for name, each in proved.items() if name in facts.runtimes]
        return [*there, *self._known(languages, tuple(proved))]

    def _known(self, languages: Sequence[str], proved: Sequence[str]) -> list[Finding]:
        """What is known of languages that were not tried just now."""
        absent = self.absent(languages)
        return [
            Finding(name=f"{name} program", ok=False, reason=absent[name].reason, remedy=absent[name].remedy)
            if name in absent
            else Finding(name=f"{name} program", ok=True, reason="ran not long ago")
            for name in languages
            if name in absent or name not in proved
        ]

    async def _try_out(self, request: ExecutionRequest, limits: Policy) -> ExecutionResult:
        try:
            return await self._engine.run(request, limits, discard)
        except AwsError as error:
            raise _with_policy(error, self._settings) from None


def _with_policy(error: AdapterError, settings: MicrovmSettings) -> AdapterError:
    """Where an identity may not do something, the whole policy to paste."""
    if not isinstance(error, AwsError) or error.kind is not Kind.DENIED:
        return error
    name: Mapping[str, Any] = {} if settings.image.startswith("arn:") else {"name": settings.image}
    whose = f"{NAME}-own" if settings.egress_connector else NAME
    document = as_text(policy(whose, region=settings.region or "*", **name))
    return AdapterError(error.message, remedy=f"{error.remedy}\n{document}", may_have_started=False)
