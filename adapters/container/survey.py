"""What an engine is, what it holds, and what it lacks, each lack with its remedy."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from adapters.container.engine import Client
from adapters.container.errors import ENGINE_ERRORS, as_adapter_error
from host.errors import AdapterError
from host.interface import Finding

__all__ = ["Engine", "finding_of", "findings", "machine_name", "runtime_finding", "survey"]

_REGISTER = {
    "crun": "apt-get install crun (Debian), dnf install crun (Fedora)",
    "runsc": "install gVisor, https://gvisor.dev/docs/user_guide/install/",
    "kata": "install Kata Containers, https://katacontainers.io/docs/",
}
_PROGRAMS = {"crun": "/usr/bin/crun", "runsc": "/usr/local/bin/runsc", "kata": "/usr/bin/kata-runtime"}


@dataclass(frozen=True, slots=True)
class Engine:
    """What an engine says of itself.

    Attributes:
        name: Docker or Podman.
        version: its release.
        api: version of the Engine API that it speaks, as "1.41".
        address: where it was found.
        cgroup_version: 1 or 2; 0 where it does not say.
        cgroup_driver: cgroupfs, systemd or none.
        runtimes: names that a container may ask for.
        default_runtime: the one of containers that ask for none.
        security: seccomp, apparmor, selinux, userns, rootless, cgroupns: those that are in force.
        operating_system: as people call it.
        system: linux or windows.
        machine: as in ``uname -m``.
        storage: its storage driver.
        limits: what it can hold of memory, swap, cpu and pids.
        root: the folder on its machine that it keeps everything in.
    """

    name: str
    version: str
    api: str
    address: str
    cgroup_version: int
    cgroup_driver: str
    runtimes: tuple[str, ...]
    default_runtime: str
    security: frozenset[str]
    operating_system: str
    system: str
    machine: str
    storage: str
    limits: Mapping[str, bool]
    root: str = ""

    @property
    def rootless(self) -> bool:
        """Whether it runs as an ordinary user."""
        return "rootless" in self.security

    @property
    def has_user_namespaces(self) -> bool:
        """Whether root inside is nobody outside."""
        return bool({"userns", "rootless"} & self.security)


async def survey(docker: Client) -> Engine:
    """What the engine is.

    Raises:
        AdapterError: it does not answer.
    """
    try:
        version, info = await asyncio.gather(docker.version(), docker.system.info())
    except ENGINE_ERRORS as error:
        raise as_adapter_error(error, "probing") from error
    parts = " ".join(str(part.get("Name", "")) for part in version.get("Components") or ())
    security = {_option(each) for each in info.get("SecurityOptions") or ()}
    return Engine(
        name="Podman" if "podman" in parts.lower() else "Docker",
        version=str(version.get("Version", "")),
        api=str(version.get("ApiVersion", "")),
        address=docker.address,
        cgroup_version=int(info.get("CgroupVersion") or 0),
        cgroup_driver=str(info.get("CgroupDriver") or "none"),
        runtimes=tuple(sorted(info.get("Runtimes") or ())),
        default_runtime=str(info.get("DefaultRuntime") or ""),
        security=frozenset(security - {""}),
        operating_system=str(info.get("OperatingSystem") or ""),
        system=str(info.get("OSType") or version.get("Os") or ""),
        machine=machine_name(str(info.get("Architecture") or version.get("Arch") or "")),
        storage=str(info.get("Driver") or ""),
        limits={
            "memory": bool(info.get("MemoryLimit")),
            "swap": bool(info.get("SwapLimit")),
            "cpu": bool(info.get("CpuCfsQuota") or info.get("CPUCfsQuota")),
            "pids": bool(info.get("PidsLimit")),
        },
        root=str(info.get("DockerRootDir") or ""),
    )


def findings(engine: Engine, runtime: str = "") -> list[Finding]:
    """What is to be said of an engine that answers.

    Args:
        engine: as ``survey`` found it.
        runtime: the setting ``adapters.container.runtime``.
    """
    where = f" at {engine.address}" if engine.address else ""
    about = f"{engine.name} {engine.version}, API {engine.api}{where}, {engine.operating_system}, {engine.machine}"
    held = sorted(name for name, holds in engine.limits.items() if holds)
    lacks = sorted(set(engine.limits) - set(held) - {"swap"})
    return [
        Finding(name="engine", ok=True, reason=about),
        Finding(name="engine system", ok=True, reason="it runs Linux containers")
        if engine.system == "linux"
        else Finding(
            name="engine system",
            ok=False,
            reason=f"it runs containers of {engine.system or 'an unknown system'}",
            remedy="Switch it to Linux containers.",
        ),
        runtime_finding(engine, runtime),
        Finding(
            name="engine limits",
            ok=True,
            reason=f"control groups v{engine.cgroup_version} ({engine.cgroup_driver}) hold {', '.join(held)}",
        )
        if not lacks
        else Finding(
            name="engine limits",
            ok=False,
            reason=f"it cannot hold {', '.join(lacks)} (control groups v{engine.cgroup_version})",
            remedy="Give a rootless engine these controllers: a drop-in of user@.service with "
            "Delegate=cpu cpuset io memory pids, on control groups v2.",
        ),
        Finding(name="engine seccomp", ok=True, reason="the engine's own filter is in force, beneath ours")
        if "seccomp" in engine.security
        else Finding(
            name="engine seccomp",
            ok=False,
            reason="the engine has no seccomp; our own filter is all there is",
            remedy="Use a build of the engine with seccomp, on a kernel with CONFIG_SECCOMP_FILTER.",
        ),
        Finding(name="engine user namespaces", ok=True, reason="root inside would be nobody outside")
        if engine.has_user_namespaces
        else Finding(
            name="engine user namespaces",
            ok=False,
            reason="user ids inside are those outside; programs run as one that belongs to nobody",
            remedy='Set "userns-remap": "default" in /etc/docker/daemon.json and restart it, or use a rootless engine.',
        ),
    ]


def runtime_finding(engine: Engine, runtime: str) -> Finding:
    """Whether the engine knows the OCI runtime that is wanted; "" is the engine's own."""
    wanted = runtime or engine.default_runtime
    if not runtime or wanted in engine.runtimes or wanted.startswith("io.containerd."):
        return Finding(name="runtime", ok=True, reason=f"containers run on {wanted or 'its own runtime'}")
    kind = next((kind for kind in _REGISTER if wanted.startswith(kind)), "")
    get = f"{_REGISTER[kind]}; then add " if kind else "add "
    program = _PROGRAMS.get(kind, f"/usr/bin/{wanted}")
    return Finding(
        name="runtime",
        ok=False,
        reason=f"the engine has no runtime {wanted}; it has {', '.join(engine.runtimes) or 'none'}",
        remedy=f'{get}{{"runtimes": {{"{wanted}": {{"path": "{program}"}}}}}} to /etc/docker/daemon.json and restart '
        "the engine (Podman: [engine.runtimes] in containers.conf).",
    )


def finding_of(error: AdapterError, name: str = "engine") -> Finding:
    """What keeps us from the engine, as a finding."""
    return Finding(name=name, ok=False, reason=error.message, remedy=error.remedy)


def _option(text: str) -> str:
    """The name in ``name=seccomp,profile=default``."""
    return str(text).partition(",")[0].removeprefix("name=")


def machine_name(name: str) -> str:
    """A processor as ``uname -m`` calls it."""
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(name, name)
