"""The host side of a guest: what a wall needs to know to start one. Every adapter with a wall of its own uses these."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from host.models import ExecutionRequest
from host.policy import Policy

__all__ = ["Guest", "Launch", "Missing", "Runtime", "SessionGuest"]


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a language cannot run on this machine, and the command that mends it."""

    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Runtime:
    """A language runtime that was found on this machine.

    Attributes:
        language: as in requests.
        version: what it says of itself, as "3.11.7".
        program: the real path of its binary.
        trees: host paths (files or folders) that must be visible read-only inside the wall, each with its path inside.
        masked: paths inside that must look empty (site-packages below a standard library).
    """

    language: str
    version: str
    program: Path
    trees: Mapping[Path, str]
    masked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start one run, or one session, inside the wall.

    Attributes:
        argv: the program and its arguments, as paths inside the wall. For ``in_process`` guests: ``("module",
            "function")``.
        frame: what the launcher writes to the program's stdin: a packed request frame, or the form that the guest
            reads.
        trees: more host paths to show read-only for this run (a guest environment), each with its path inside.
        environment: variables that the runtime itself needs; the policy's come on top.
        in_process: the guest is Python of the same version as the launcher: the launcher forks, and the child calls
            ``function(frame_bytes, report_fd)`` of ``module`` (importable with /guest on ``sys.path``) instead of
            starting an interpreter anew; for a session ``function(read_fd, report_fd)``. The function ends the process
            and never comes back. A launcher that forks ahead of demand may call ``before_fork()`` of ``module`` in
            itself, and ``warm()`` in the child that waits for its request, once the child's environment, its work
            folder and its descriptors 1 and 2 are as they will be.
        preload: modules that a launcher which forks ``in_process`` guests ahead of demand imports first, with
            ``environment`` set and /guest and /guest/site on ``sys.path``; none of them starts a thread then.
        spare_processes: threads and processes that the runtime itself needs beside the policy's ``max_processes``.
        address_space_limits: whether RLIMIT_DATA may hold the memory limit (deno and the BEAM reserve more than they
            use).
        spare_memory_mb: what the runtime itself takes, given on top of the policy's ``max_memory_mb``.
        report_is_text: fd 3 carries the bare text of ``result`` and no frames (Bash).
    """

    argv: tuple[str, ...]
    frame: bytes
    trees: Mapping[Path, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    in_process: bool = False
    preload: tuple[str, ...] = ()
    spare_processes: int = 0
    address_space_limits: bool = True
    spare_memory_mb: int = 0
    report_is_text: bool = False


class Guest(Protocol):
    """One language's guest."""

    language: str

    def find(self) -> Runtime | Missing:
        """Look for the runtime on this machine. Slow; called once at start."""
        ...

    def launch(self, request: ExecutionRequest, policy: Policy, runtime: Runtime) -> Launch:
        """How to run ``request``. Called for every run; it may parse the code, never run it.

        Raises:
            ValueError: the inputs have no form in this language (NUL in a Bash variable); the message is for the
                caller.
        """
        ...


@runtime_checkable
class SessionGuest(Guest, Protocol):
    """A guest that can also keep an interpreter and run command after command in it.

    The process reads request frames, one for each command, until the channel ends: from descriptor 0, or where it is
    ``in_process`` from the descriptor that the launcher names. For each it reports as for a program and then ``done``;
    what the command printed is out before that. The process ends with 0 after the last command.
    """

    def open(self, policy: Policy, runtime: Runtime) -> Launch:
        """How to start a session under ``policy``. Its ``frame`` is empty."""
        ...

    def frame(self, request: ExecutionRequest, policy: Policy) -> bytes:
        """The packed frame of one command, as ``launch`` has it for a program.

        Raises:
            ValueError: as ``launch`` does.
        """
        ...
