"""What a container of ours is like: everything shut that a program does not need."""

from dataclasses import dataclass
from typing import Any

from adapters.container.settings import ContainerSettings
from adapters.guest.contract import Launch
from adapters.runner.job import CONTAINED, make_first_part, make_session, setup
from adapters.runner.limits import work_folder
from host.policy import Policy

__all__ = ["LABEL_ADAPTER", "LABEL_OWNER", "Recipe", "config_of", "make_recipe"]

LABEL_ADAPTER = "understudy.adapter"
LABEL_OWNER = "understudy.owner"

_MIB = 1 << 20
_RUNNER_MEMORY_MB = 32
"""What the runner takes beside the program: an interpreter with the guest's modules in it, and its copy of the job."""
_RUNNER_PROCESSES = 1
_MASKED = (
    *(f"/proc/{name}" for name in ("acpi", "asound", "bus", "driver", "fs", "interrupts", "irq", "kallsyms", "kcore")),
    *(f"/proc/{name}" for name in ("keys", "kmsg", "latency_stats", "modules", "sched_debug", "scsi", "sysrq-trigger")),
    *(f"/proc/{name}" for name in ("timer_list", "timer_stats")),
    *(f"/sys/{name}" for name in ("block", "bus", "class", "dev", "devices", "firmware", "hypervisor", "kernel")),
    *(f"/sys/{name}" for name in ("module", "power")),
)
"""What shows as empty: more than engines hide themselves. Of /sys the runner needs its own control group."""

_READ_ONLY = ("/proc/sys", "/sys/fs/cgroup")
"""What is not empty. crun puts a folder that anybody may write to at the second, on control groups v1."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What containers are alike in, so that any of them can take a program of that kind.

    Attributes:
        image: the reference of the image.
        argument: what the runner is started with.
        job: the first part of the job: its guest waits for the second. For a session, all of it.
        memory_bytes: of everything inside, files in the work folder included.
        processes: processes and threads.
        folders: mount options of each folder that is memory: path to options.
    """

    image: str
    argument: str
    job: bytes
    memory_bytes: int
    processes: int
    folders: tuple[tuple[str, str], ...]


def make_recipe(
    policy: Policy, launch: Launch, image: str, settings: ContainerSettings, *, session: bool = False
) -> Recipe:
    """The recipe for programs that start so under a policy, or for a session."""
    memory_mb = policy.max_memory_mb + launch.spare_memory_mb + _RUNNER_MEMORY_MB
    return Recipe(
        image=image,
        argument=setup(CONTAINED, launch, held=True),
        job=(make_session if session else make_first_part)(policy, launch, CONTAINED),
        memory_bytes=memory_mb * _MIB,
        processes=policy.max_processes + launch.spare_processes + _RUNNER_PROCESSES,
        folders=_folders(policy, settings.user),
    )


def _folders(policy: Policy, user: int) -> tuple[tuple[str, str], ...]:
    """The work folder, the one for temporary files, and shared memory; each holds what the policy gives.

    Where the policy lets nothing in or out there are none, and the root is read-only.
    """
    work = work_folder(policy)
    if work is None:
        return ()
    names = policy.max_files + 1  # the folder itself is one
    options = f"rw,nosuid,nodev,noexec,size={work['bytes']},nr_inodes={names},mode=700,uid={user},gid={user}"
    paths = ("/work", "/tmp", "/dev/shm") if work["writable"] else ("/work",)  # noqa: S108 - inside
    return tuple((path, options) for path in paths)


def config_of(recipe: Recipe, owner: str, settings: ContainerSettings) -> dict[str, Any]:
    """The container as the Engine API takes it."""
    security = ["no-new-privileges"]
    if settings.seccomp == "unconfined":
        security.append("seccomp=unconfined")
    host = {
        "AutoRemove": True,
        "CapDrop": ["ALL"],
        "IpcMode": "none",
        "CgroupnsMode": "private",
        "LogConfig": {"Type": "none"},
        "MaskedPaths": list(_MASKED),
        "Memory": recipe.memory_bytes,
        "MemorySwap": recipe.memory_bytes,
        "NanoCpus": round(settings.cpus * 1e9),
        "NetworkMode": "none",
        "OomScoreAdj": 0,
        "PidsLimit": recipe.processes,
        "Privileged": False,
        "ReadonlyPaths": list(_READ_ONLY),
        "ReadonlyRootfs": True,
        "SecurityOpt": security,
        "Tmpfs": dict(recipe.folders),
        "Ulimits": [{"Name": "core", "Soft": 0, "Hard": 0}],
    }
    if settings.runtime:
        host["Runtime"] = settings.runtime
    return {
        "Image": recipe.image,
        "Cmd": [recipe.argument],
        "User": f"{settings.user}:{settings.user}",
        "WorkingDir": "/work",
        "Env": [],
        "Labels": {LABEL_ADAPTER: "container", LABEL_OWNER: owner},
        "NetworkDisabled": True,
        "OpenStdin": True,
        "StdinOnce": True,
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": False,
        "HostConfig": host,
    }
