"""What a guest's process may use, from its policy and its launch: the same numbers behind every wall."""

import resource
from collections.abc import Mapping
from typing import Any

from adapters.guest.contract import Launch
from host.policy import FileSystemAccess, Policy

__all__ = ["environment_of", "resource_limits", "work_folder"]

_MIB = 1 << 20
_OPEN_FILES = 1024
_SIGNALS_QUEUED = 1024
_STACK_BYTES = 8 * _MIB
_LOCKED_BYTES = 64 << 10
_THREADS_WITH_ROOM = 32
_INODES_OF_OURS = 4
_PAGE = 4096
_BASE_ENVIRONMENT = {
    "HOME": "/work",
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "TMPDIR": "/tmp",  # noqa: S108 - inside the wall
}


def environment_of(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment of a guest that wants these variables; a policy may add others."""
    return {**_BASE_ENVIRONMENT, **variables}


def work_folder(policy: Policy) -> Mapping[str, Any] | None:
    """The tmpfs of /work and /tmp. None: both are empty folders of a read-only root."""
    if policy.file_system_access is FileSystemAccess.NONE:
        return None
    writable = policy.file_system_access is FileSystemAccess.SANDBOXED
    # 0 would mean no limit to the kernel.
    return {
        "bytes": max(policy.max_file_bytes, _PAGE),
        "inodes": policy.max_files + _INODES_OF_OURS,
        "writable": writable and policy.max_file_bytes > 0,
    }


def resource_limits(
    policy: Policy, launch: Launch, cpu_ms: int, memory: int, processes: int
) -> list[tuple[int, int, int]]:
    """Resource limits as number, soft, hard. They hold each process sharply; the host holds all of them together."""
    cpu_s = cpu_ms // 1000 + 2
    wanted = {
        resource.RLIMIT_CPU: (cpu_s, cpu_s + 1),
        resource.RLIMIT_FSIZE: (policy.max_file_bytes,) * 2,
        resource.RLIMIT_STACK: (_STACK_BYTES,) * 2,
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_NPROC: (processes,) * 2,
        resource.RLIMIT_NOFILE: (_OPEN_FILES,) * 2,
        resource.RLIMIT_MEMLOCK: (_LOCKED_BYTES,) * 2,
        resource.RLIMIT_SIGPENDING: (_SIGNALS_QUEUED,) * 2,
        resource.RLIMIT_MSGQUEUE: (0, 0),
        resource.RLIMIT_NICE: (0, 0),
        resource.RLIMIT_RTPRIO: (0, 0),
    }
    if launch.address_space_limits:
        # Threads reserve their stacks as data, mostly untouched.
        data = memory + min(policy.max_processes, _THREADS_WITH_ROOM) * _STACK_BYTES
        wanted[resource.RLIMIT_DATA] = (data, data)
        wanted[resource.RLIMIT_AS] = (4 * data + 1024 * _MIB,) * 2
    return [(number, *_at_most(number, *pair)) for number, pair in wanted.items()]


def _at_most(number: int, soft: int, hard: int) -> tuple[int, int]:
    """Not more than this host has itself, which the kernel would refuse."""
    ceiling = resource.getrlimit(number)[1]
    if ceiling == resource.RLIM_INFINITY:
        return soft, hard
    return min(soft, ceiling), min(hard, ceiling)
