"""The readiness probe: the engine, its images, and programs that look at the wall from inside."""

import time
from dataclasses import dataclass, field
from typing import Any

from adapters.container.engine import Client
from adapters.container.errors import translating
from adapters.container.languages import Languages
from adapters.container.settings import ContainerSettings
from adapters.container.survey import finding_of, survey
from adapters.container.survey import findings as engine_findings
from adapters.runner.proofs import POLICY, TryOut, prove
from host.errors import AdapterError
from host.interface import CheckResult, Finding
from host.models import ExecutionRequest, Status

__all__ = ["Proof", "check"]

_NEEDED = ("engine system", "runtime")
_OWN_KERNEL = ("runsc", "gvisor", "kata")
"""Runtimes that show programs a kernel of their own, not that of the engine's machine."""

_INSIDE = """
import os, socket

def tells(action):
    try:
        action()
    except OSError as error:
        return "refused"
    return "open"

def status(name):
    with open("/proc/self/status") as lines:
        return next((line.split()[1] for line in lines if line.startswith(name + ":")), "")

result = {
    "uid": os.getuid(),
    "kernel": os.uname().release,
    "capabilities": status("CapEff"),
    "new privileges": status("NoNewPrivs"),
    "filter": status("Seccomp"),
    "network": tells(lambda: socket.socket(socket.AF_INET)),
    "interfaces": sorted(line.split(":")[0].strip() for line in list(open("/proc/net/dev"))[2:]),
    "root": tells(lambda: os.mkdir("/understudy")),
    "namespaces": tells(lambda: os.chroot("/")),
}
"""


@dataclass(slots=True)
class Proof:
    """What has been seen to run; it is not run again at every check."""

    languages: set[str] = field(default_factory=set)


async def check(
    docker: Client, settings: ContainerSettings, languages: Languages, proof: Proof, try_out: TryOut
) -> CheckResult:
    """Look at everything.

    Args:
        docker: the engine.
        settings: the adapter's.
        languages: which there are images for.
        proof: what has been seen to run.
        try_out: runs a program.
    """
    began = time.perf_counter()
    findings: list[Finding] = []
    try:
        engine = await survey(docker)
        with translating("probing"):
            kernel = str((await docker.system.info()).get("KernelVersion") or "")
        await languages.look_again(docker)
    except AdapterError as error:
        return _unready(finding_of(error), began, findings)
    findings += [*engine_findings(engine, settings.runtime), *languages.findings()]
    bad = [finding for finding in findings if not finding.ok and finding.name in _NEEDED]
    if not languages.ready:
        bad.append(languages.without_images())
    if not bad and "python" in languages.ready:
        wall = await _wall(try_out, settings.runtime or engine.default_runtime, kernel)
        findings.append(wall)
        bad += [] if wall.ok else [wall]
    if bad:
        return _unready(bad[0], began, findings)
    unproved = sorted(set(languages.ready) - proof.languages - {"python"})
    for language in unproved:
        finding = await prove(try_out, language)
        findings.append(finding)
        if finding.ok:
            proof.languages.add(language)
    reason = f"ran a program in a container; languages: {', '.join(languages.ready)}"
    return CheckResult(ok=True, reason=reason, latency_ms=_ms_since(began), findings=tuple(findings))


def _unready(first: Finding, began: float, findings: list[Finding]) -> CheckResult:
    shown = findings if first in findings else [*findings, first]
    return CheckResult(
        ok=False, reason=first.reason, remedy=first.remedy, latency_ms=_ms_since(began), findings=tuple(shown)
    )


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1000


async def _wall(try_out: TryOut, runtime: str, kernel_outside: str) -> Finding:
    """Which wall is really in force, as a program sees it from inside."""
    name = "wall"
    try:
        result = await try_out(ExecutionRequest(code=_INSIDE, language="python"), POLICY)
    except AdapterError as error:
        return Finding(name=name, ok=False, reason=error.message, remedy=error.remedy or "see the reason")
    if result.status is not Status.SUCCEEDED or not isinstance(result.value, dict):
        reason = f"{result.status}: {result.reason} {result.stderr}".strip()
        return Finding(name=name, ok=False, reason=reason, remedy="see the reason")
    seen = result.value
    holes = _holes(seen)
    if holes:
        return Finding(
            name=name,
            ok=False,
            reason=f"the wall has a hole: {', '.join(holes)}",
            remedy="do not use this engine for code that you do not trust",
        )
    shared = seen.get("kernel") == kernel_outside
    if shared and any(word in runtime.lower() for word in _OWN_KERNEL):
        return Finding(
            name=name,
            ok=False,
            reason=f"{runtime} is asked for, but programs run on the kernel of the engine's machine ({seen['kernel']})",
            remedy="see what the engine really starts under that name: docker info, /etc/docker/daemon.json",
        )
    kernel = (
        f"the kernel of the engine's machine, {seen['kernel']}"
        if shared
        else f"a kernel of their own, {seen['kernel']}"
    )
    reason = (
        f"{runtime}; programs run on {kernel}, as user {seen['uid']}, without capabilities or network, behind a "
        "system-call filter, on a read-only root"
    )
    return Finding(name=name, ok=True, reason=reason)


def _holes(seen: dict[str, Any]) -> list[str]:
    wanted = {"network": "refused", "root": "refused", "namespaces": "refused", "new privileges": "1", "filter": "2"}
    holes = [f"{what} is {seen.get(what)}" for what, right in wanted.items() if seen.get(what) != right]
    if int(seen.get("capabilities") or "0", 16):
        holes.append(f"capabilities are {seen['capabilities']}")
    if seen.get("uid") == 0:
        holes.append("it runs as root")
    if set(seen.get("interfaces") or ()) - {"lo"}:
        holes.append(f"there are network interfaces: {', '.join(seen['interfaces'])}")
    return holes
