"""The readiness probe: every layer looked at, programs really run, each lack named with its remedy."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

from adapters.guest.contract import Missing, Runtime
from adapters.runner.proofs import POLICY, TryOut, prove
from adapters.sandbox.cgroups import NoCgroups
from adapters.sandbox.machine import Machine
from adapters.sandbox.warm import Warmth
from host.errors import AdapterError
from host.interface import CheckResult, Finding
from host.models import ExecutionRequest, Status

__all__ = ["INSTALL_BUBBLEWRAP", "check"]

INSTALL_BUBBLEWRAP = "apt-get install bubblewrap"
_APPARMOR = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
_SWITCHES = (
    (Path("/proc/sys/kernel/unprivileged_userns_clone"), "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    (Path("/proc/sys/user/max_user_namespaces"), "0", "sysctl -w user.max_user_namespaces=15000"),
)
_APPARMOR_REMEDY = (
    "let bwrap make user namespaces: a profile with `userns,` for it in /etc/apparmor.d (package apparmor-profiles has "
    "bwrap-userns-restrict), or sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
)
_INSIDE = """
import os, socket

def tells(action):
    try:
        action()
    except OSError as error:
        return type(error).__name__ + " " + str(error.errno)
    return "open"

result = {
    "uid": os.getuid(),
    "inet": tells(lambda: socket.socket(socket.AF_INET)),
    "unshare": tells(lambda: os.chroot("/")),
    "passwd": tells(lambda: os.stat("/etc/passwd")),
    "proc": tells(lambda: os.stat("/proc/self")),
    "write": tells(lambda: os.mkdir("/work/x")),
}
"""
_EXPECTED = {
    "inet": "OSError 97",
    "unshare": "PermissionError 1",
    "passwd": "FileNotFoundError 2",
    "proc": "FileNotFoundError 2",
}


async def check(
    try_out: TryOut,
    machine: Machine,
    runtimes: Mapping[str, Runtime],
    missing: Mapping[str, Missing],
    trouble: str,
    proved: dict[str, CheckResult],
    warmth: Warmth | None,
) -> CheckResult:
    """Look at every layer.

    Args:
        try_out: runs a program.
        machine: what was found at start.
        runtimes: the languages that were found.
        missing: those that were not.
        trouble: why a host that is root has no mount namespace of its own, or "".
        proved: languages that have been seen to run; they are not tried again at every check.
        warmth: what is kept ready, if anything.
    """
    began = time.perf_counter()
    findings = [*_layers(machine, trouble), *_languages(runtimes, missing)]
    blocking = [finding for finding in findings if not finding.ok and finding.name in _NEEDED]
    if not blocking:
        seen = await _inside(try_out)
        findings += seen
        blocking = [finding for finding in seen if not finding.ok]
    if not blocking:
        unproved = sorted(set(runtimes) - {*proved, "python"})  # Python ran just now
        proofs = await asyncio.gather(*(prove(try_out, language) for language in unproved))
        for language, finding in zip(unproved, proofs, strict=True):
            findings.append(finding)
            if finding.ok:
                proved[language] = CheckResult(ok=True, reason=finding.reason)
    latency_ms = (time.perf_counter() - began) * 1000
    if blocking:
        first = blocking[0]
        return CheckResult(
            ok=False, reason=first.reason, remedy=first.remedy, latency_ms=latency_ms, findings=tuple(findings)
        )
    if warmth is not None:
        findings += _warm(warmth)
    reason = f"ran a program in the wall; languages: {', '.join(sorted(runtimes))}"
    return CheckResult(ok=True, reason=reason, latency_ms=latency_ms, findings=tuple(findings))


_NEEDED = ("bubblewrap", "user namespaces", "seccomp", "user id", "python")


def _layers(machine: Machine, trouble: str) -> list[Finding]:
    wrap = machine.bubblewrap
    groups = machine.groups
    findings = [
        Finding(name="bubblewrap", ok=True, reason=f"{wrap.program}, version {wrap.version}")
        if wrap
        else Finding(name="bubblewrap", ok=False, reason="bubblewrap is not installed", remedy=INSTALL_BUBBLEWRAP),
        _user_namespaces(),
        Finding(name="seccomp", ok=True, reason="there is a system-call table for this processor")
        if machine.architecture
        else Finding(
            name="seccomp",
            ok=False,
            reason="there is no system-call table for this processor",
            remedy="use x86_64 or aarch64",
        ),
        _user_id(machine, trouble),
    ]
    if isinstance(groups, NoCgroups):
        findings.append(Finding(name="control groups", ok=False, reason=groups.reason, remedy=groups.remedy))
        findings.append(
            Finding(
                name="watch",
                ok=True,
                reason="memory, CPU time and processes are counted by the host, 50 times a second",
            )
            if machine.watches
            else Finding(
                name="watch",
                ok=False,
                reason="this kernel does not tell a process's children, so only rlimits hold each of them",
                remedy=groups.remedy,
            )
        )
    else:
        findings.append(
            Finding(name="control groups", ok=True, reason=f"version {groups.version}, in {groups.parents[0]}")
        )
    return findings


def _user_namespaces() -> Finding:
    for switch, bad, remedy in _SWITCHES:
        if _text(switch) == bad:
            return Finding(
                name="user namespaces",
                ok=False,
                reason=f"{switch} is {bad}: user namespaces are switched off",
                remedy=remedy,
            )
    if _text(_APPARMOR) == "1":
        return Finding(
            name="AppArmor",
            ok=True,
            reason="AppArmor restricts user namespaces; the run below shows if bubblewrap may make them",
        )
    return Finding(name="user namespaces", ok=True, reason="this kernel lets users make them")


def _user_id(machine: Machine, trouble: str) -> Finding:
    if not machine.is_root:
        return Finding(name="user id", ok=True, reason="the host is an ordinary user")
    if trouble:
        return Finding(
            name="user id",
            ok=True,
            reason=f"each run gets a user id of its own; it must be able to read the runtimes: {trouble}",
        )
    return Finding(name="user id", ok=True, reason="each run gets a real user id of its own")


def _languages(runtimes: Mapping[str, Runtime], missing: Mapping[str, Missing]) -> list[Finding]:
    found = [
        Finding(name=name, ok=True, reason=f"version {runtime.version}, {runtime.program}")
        for name, runtime in sorted(runtimes.items())
    ]
    lacking = [
        Finding(name=name, ok=False, reason=lack.reason, remedy=lack.remedy) for name, lack in sorted(missing.items())
    ]
    return found + lacking


async def _inside(try_out: TryOut) -> list[Finding]:
    """Run a program that tries what it must not be able to do."""
    try:
        result = await try_out(ExecutionRequest(code=_INSIDE, language="python"), POLICY)
    except AdapterError as error:
        return [Finding(name="a program in the wall", ok=False, reason=error.message, remedy=_remedy(error))]
    if result.status is not Status.SUCCEEDED or not isinstance(result.value, dict):
        return [
            Finding(
                name="a program in the wall",
                ok=False,
                reason=f"{result.status}: {result.reason} {result.stderr}".strip(),
            )
        ]
    wrong = {name: result.value.get(name) for name, wanted in _EXPECTED.items() if result.value.get(name) != wanted}
    if result.value.get("write") == "open":
        wrong["write"] = "open"
    if wrong:
        return [
            Finding(
                name="a program in the wall",
                ok=False,
                reason=f"the wall has a hole: {wrong}",
                remedy="do not use this adapter here",
            )
        ]
    return [
        Finding(
            name="a program in the wall",
            ok=True,
            reason="it ran, and was refused network, namespaces, host files and /proc",
        )
    ]


def _warm(warmth: Warmth) -> list[Finding]:
    """What is kept ready, and what cannot be."""
    pools = warmth.pools
    served, missed, lost = (
        sum(getattr(pool.statistics, name) for pool in pools) for name in ("served", "missed", "lost")
    )
    ready, idle_mib = sum(pool.size for pool in pools), sum(pool.idle_bytes for pool in pools) / 1_048_576
    reason = (
        f"{ready} sandboxes are ready in {len(pools)} pools, with about {idle_mib:.0f} MiB; {served} were handed out, "
        f"{missed} had to be made on the spot, {lost} died while they waited"
    )
    findings = [Finding(name="warm", ok=True, reason=reason)]
    findings += [
        Finding(
            name="warm",
            ok=False,
            reason=f"sandboxes cannot be forked, so each starts for its program, and there are no sessions: {trouble}",
            remedy="see the reason; adapters.sandbox.warm = false stops trying",
        )
        for trouble in dict.fromkeys(home.trouble for home in warmth.homes if home.trouble)
    ]
    return findings


def _remedy(error: AdapterError) -> str:
    if _text(_APPARMOR) == "1":
        return _APPARMOR_REMEDY
    return error.remedy or "see the reason"


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
