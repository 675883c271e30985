"""From a request, its policy and its launch to the job that a runner takes. What a job holds: ``inside/main.py``."""

import base64
import json
import platform
import resource
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.guest.contract import Launch
from adapters.runner import seccomp
from adapters.runner.limits import environment_of, resource_limits
from host.models import ExecutionRequest
from host.policy import FileSystemAccess, Policy

__all__ = [
    "CONTAINED",
    "Place",
    "command",
    "make_first_part",
    "make_job",
    "make_second_part",
    "make_session",
    "packed",
    "setup",
]

_MIB = 1 << 20
_SESSION_CPU_MS = 24 * 3600 * 1000  # for the process itself; each command has its policy's, held by the runner


@dataclass(frozen=True, slots=True)
class Place:
    """Where a runner runs.

    Attributes:
        guest: the folder of the guests, in place of ``/guest``.
        runtime: the folder of the runtimes, in place of ``/runtime``.
        work: the work folder, in place of ``/work``.
        temporary: the folder for temporary files, in place of ``/tmp``.
        contained: whether a container holds memory, processes and files; else the runner watches them.
        machine: the processor, as ``uname -m`` has it.
        text_bytes: how many bytes the answer may have as one line of text; 0 where it goes out as it comes.
        uid: whom a runner that is root becomes for the program.
    """

    guest: str = "/guest"
    runtime: str = "/runtime"
    work: str = "/work"
    temporary: str = "/tmp"  # noqa: S108 - over there
    contained: bool = False
    machine: str = field(default_factory=platform.machine)
    text_bytes: int = 0
    uid: int | None = None

    @property
    def folders(self) -> list[str]:
        """What a program may write to; a folder in another of them counts there."""
        both = {self.work, self.temporary}
        return sorted(path for path in both if not any(path.startswith(f"{other}/") for other in both))

    def moved(self, text: str) -> str:
        """A path of the usual place, as it is in this one; any other text as it is."""
        for usual, here in (
            ("/guest", self.guest),
            ("/program.sh", "/program.sh" if self.guest == "/guest" else f"{self.guest}/program.sh"),
            ("/runtime", self.runtime),
            ("/work", self.work),
            ("/tmp", self.temporary),  # noqa: S108
        ):
            if text == usual or text.startswith(usual + "/"):
                return here + text[len(usual) :]
        return text


CONTAINED = Place(contained=True)
"""In a container of ours, where everything is where the guests expect it."""


def setup(place: Place, launch: Launch, *, held: bool) -> str:
    """The argument that a runner is started with.

    Args:
        place: where it runs.
        launch: of what it is to be ready for.
        held: whether the host keeps its stdin open as long as it wants it to live.
    """
    facts = {
        "work": place.work,
        "folders": place.folders,
        "guest": place.guest,
        "environment": _environment(place, launch, {}),
        "preload": list(launch.preload or launch.argv[:1]) if launch.in_process else [],
        "contained": place.contained,
        "held": held,
        "uid": place.uid,
        "text": place.text_bytes,
    }
    return json.dumps(facts, separators=(",", ":"))


def make_job(request: ExecutionRequest, policy: Policy, launch: Launch, place: Place) -> bytes:
    """The job of one program."""
    return _dumped({**_job(policy, launch, place, policy.max_cpu_time), **_rest(request, policy, launch, place)})


def make_first_part(policy: Policy, launch: Launch, place: Place) -> bytes:
    """What is known of a job before its request is: the same for all that start so under a policy."""
    return _dumped(_job(policy, launch, place, policy.max_cpu_time))


def make_second_part(request: ExecutionRequest, policy: Policy, launch: Launch, place: Place) -> bytes:
    """The rest of it."""
    return _dumped(_rest(request, policy, launch, place))


def _rest(request: ExecutionRequest, policy: Policy, launch: Launch, place: Place) -> dict[str, Any]:
    takes_out = policy.file_system_access is FileSystemAccess.SANDBOXED
    return {
        "frame": _base64(_moved_frame(launch.frame, place)),
        "files": [(file.path, _base64(file.content)) for file in request.files],
        "collect": (policy.max_files, policy.max_file_bytes) if takes_out else None,
        "deadline_ms": policy.max_execution_time,
    }


def make_session(policy: Policy, launch: Launch, place: Place) -> bytes:
    """The job of an interpreter that takes commands."""
    job = _job(policy, launch, place, _SESSION_CPU_MS)
    return _dumped({**job, "session": True, "files": [], "collect": None})


def command(frame: bytes, policy: Policy, place: Place) -> bytes:
    """One command of a session."""
    bounds = {"output_bytes": policy.max_output_bytes, "cpu_us": policy.max_cpu_time * 1000}
    frame = _moved_frame(frame, place)
    return _dumped({"frame": _base64(frame), "deadline_ms": policy.max_execution_time, "bounds": bounds})


def packed(message: bytes) -> bytes:
    """A job or command as it goes to a runner's stdin: behind its length."""
    return len(message).to_bytes(8, "big") + message


def _job(policy: Policy, launch: Launch, place: Place, cpu_ms: int) -> dict[str, Any]:
    threads = policy.max_processes + launch.spare_processes
    memory = (policy.max_memory_mb + launch.spare_memory_mb) * _MIB
    writable = policy.file_system_access is FileSystemAccess.SANDBOXED and policy.max_file_bytes > 0
    counted = writable and not place.contained
    frozen = policy.file_system_access is not FileSystemAccess.SANDBOXED
    program_filter = seccomp.build(place.machine, frozen=frozen, shielded=not place.contained, counted=counted)
    return {
        "argv": [place.moved(word) for word in launch.argv],
        "in_process": launch.in_process,
        "environment": _environment(place, launch, policy.environment),
        "limits": _limits(policy, launch, cpu_ms, memory, threads, place, writable=writable),
        "filter": _base64(program_filter),
        "counted": counted,
        "writable": writable,
        "session": False,
        "bounds": {
            "output_bytes": policy.max_output_bytes,
            "cpu_us": policy.max_cpu_time * 1000,
            "memory_bytes": memory,
            "threads": threads,
            "files": policy.max_files,
            "file_bytes": policy.max_file_bytes if counted else None,
        },
    }


def _limits(
    policy: Policy, launch: Launch, cpu_ms: int, memory: int, threads: int, place: Place, *, writable: bool
) -> list[tuple[int, int, int]]:
    """A container counts its own processes; elsewhere nothing may be written where the policy lets nothing out."""
    limits = resource_limits(policy, launch, cpu_ms, memory, threads)
    if place.contained:
        return [limit for limit in limits if limit[0] != resource.RLIMIT_NPROC]
    if not writable:
        return [
            (number, 0, 0) if number == resource.RLIMIT_FSIZE else (number, low, high) for number, low, high in limits
        ]
    return limits


def _environment(place: Place, launch: Launch, added: Mapping[str, str]) -> dict[str, str]:
    usual = {name: place.moved(value) for name, value in environment_of(launch.environment).items()}
    return {**usual, **added}


def _moved_frame(frame: bytes, place: Place) -> bytes:
    """Deno's own path is in its frames, for programs that ask for it."""
    if place.runtime == "/runtime" or b'"binary":"/runtime/' not in frame:
        return frame
    body = frame[4:].replace(b'"binary":"/runtime/', b'"binary":"' + place.runtime.encode() + b"/", 1)
    return len(body).to_bytes(4, "big") + body


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _dumped(job: Mapping[str, Any]) -> bytes:
    return json.dumps(job, separators=(",", ":")).encode("ascii")
