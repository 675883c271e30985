"""From a policy and a launch to a job: the bounds of a run, and what its launcher or template is told."""

import marshal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.guest.contract import Launch
from adapters.runner import seccomp
from adapters.runner.limits import environment_of, resource_limits, work_folder
from adapters.sandbox.watch import Bounds
from host.models import ExecutionRequest
from host.policy import FileSystemAccess, Policy

__all__ = ["Job", "Mould", "as_message", "make_job", "make_mould"]

_MIB = 1 << 20
_SESSION_CPU_MS = 24 * 3600 * 1000  # for the process itself; each command has its policy's, held from outside


@dataclass(frozen=True, slots=True)
class Mould:
    """What all runs of one language under one policy have in common, settled before the first of them is known.

    Attributes:
        settings: for the launcher or the template; see there.
        message: the same as the template takes it. It keeps this, so nothing of a policy's environment is in it.
        added_environment: what the policy adds to the environment.
        bounds: of CPU time, memory and threads.
        collect: how many files and bytes come out of the work folder, or None.
    """

    settings: Mapping[str, Any]
    message: bytes
    added_environment: Mapping[str, str]
    bounds: Bounds
    collect: tuple[int, int] | None

    @property
    def key(self) -> tuple[object, ...]:
        """Moulds with the same are alike."""
        return self.message, *sorted(self.added_environment.items())

    @property
    def in_process(self) -> bool:
        """Whether the guest is called in the forked process, and no other program is executed."""
        in_process: bool = self.settings["in_process"]
        return in_process

    @property
    def late(self) -> bool:
        """Whether the process has to know the files before it can confine itself."""
        late: bool = self.settings["late"]
        return late


def make_mould(policy: Policy, launch: Launch, *, late: bool = False, session: bool = False) -> Mould:
    """What to run under a policy, and within which bounds."""
    threads = policy.max_processes + launch.spare_processes
    memory = (policy.max_memory_mb + launch.spare_memory_mb) * _MIB
    takes_out = policy.file_system_access is FileSystemAccess.SANDBOXED and not session
    cpu_ms = _SESSION_CPU_MS if session else policy.max_cpu_time
    settings: dict[str, Any] = {
        "argv": list(launch.argv),
        "in_process": launch.in_process,
        "environment": environment_of(launch.environment),
        "adds_environment": bool(policy.environment),
        "work": work_folder(policy),
        "limits": resource_limits(policy, launch, cpu_ms, memory, threads + 1),
        "late": late,
        "session": session,
        "collects": takes_out,
    }
    return Mould(
        settings=settings,
        message=marshal.dumps(settings, 2),
        added_environment=dict(policy.environment),
        bounds=Bounds(policy.max_cpu_time, memory, threads),
        collect=(policy.max_files, policy.max_file_bytes) if takes_out else None,
    )


def as_message(thing: Any) -> bytes:
    """Something marshalled, behind its length. Marshal costs the reader no import, and only the host ever writes it."""
    body = marshal.dumps(thing, 2)
    return len(body).to_bytes(8, "big") + body


@dataclass(frozen=True, slots=True)
class Job:
    """What one run is to do.

    Attributes:
        mould: what it has in common with others.
        files: path and content of what goes into the work folder.
        frame: the request frame.
        deadline_ms: wall-clock time from the moment that the program may start.
        max_output_bytes: of stdout, stderr and reports together.
        report_is_text: whether reports are the bare text of the value.
    """

    mould: Mould
    files: Sequence[tuple[str, bytes]]
    frame: bytes
    deadline_ms: int
    max_output_bytes: int
    report_is_text: bool

    def plan(self) -> bytes:
        """All of it in one message, for a launcher."""
        mould = self.mould
        more = {"files": self.files, "collect": mould.collect, "filter": seccomp.build()}
        environment = {**mould.settings["environment"], **mould.added_environment}
        return as_message({**mould.settings, "environment": environment, **more})


def make_job(request: ExecutionRequest, policy: Policy, mould: Mould, launch: Launch) -> Job:
    """One run in that mould."""
    return Job(
        mould=mould,
        files=[(file.path, file.content) for file in request.files],
        frame=launch.frame,
        deadline_ms=policy.max_execution_time,
        max_output_bytes=policy.max_output_bytes,
        report_is_text=launch.report_is_text,
    )
