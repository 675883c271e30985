"""Guests run as bare processes, without a wall: what the guest itself does is the same behind every wall."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adapters.guest.contract import Launch
from adapters.guest.python.host import PRELOAD, PYTHON_FILES, request_frame
from adapters.guest.reports import GuestReport, read_report
from host.models import ExecutionRequest
from host.policy import Policy

ANY_IMPORT = Policy(name="any", allowed_imports=None)


@dataclass(frozen=True)
class Ended:
    """How a bare run of a guest ended."""

    code: int
    stdout: str
    stderr: str
    report: GuestReport

    @property
    def value(self) -> Any:
        """The value of a run that has to have succeeded."""
        assert self.code == 0, self.stderr
        assert not self.report.malformed
        assert self.report.error is None
        return self.report.value


def stage(trees: dict[Path, str], folder: Path) -> Path:
    """Copy what belongs below /guest, as a wall does; the folder that stands for /guest."""
    for source, inside in trees.items():
        if inside.startswith("/guest/") and source.is_file():
            target = folder / inside.removeprefix("/guest/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    return folder


def run_bare(command: list[str], frame: bytes, cwd: Path, limit: int, env: dict[str, str] | None = None) -> Ended:
    """Run a guest with a report channel on descriptor 3 and the frame on stdin."""
    reader, writer = os.pipe()

    def place_report() -> None:
        os.dup2(writer, 3, inheritable=True)

    collected: list[bytes] = []
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd,
        env={"PATH": os.environ["PATH"], **(env or {})}, close_fds=False, preexec_fn=place_report,
    ) as process:  # fmt: skip
        os.close(writer)
        import threading

        def drain() -> None:
            with os.fdopen(reader, "rb") as stream:
                collected.append(stream.read())

        thread = threading.Thread(target=drain)
        thread.start()
        out, err = process.communicate(frame, timeout=60)
        thread.join()
    return ended(process.returncode, out, err, b"".join(collected), limit)


def ended(code: int, out: bytes, err: bytes, report: bytes, limit: int) -> Ended:
    """How a run ended, from the bytes that it left."""
    return Ended(code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"), read_report(report, limit))


@pytest.fixture
def ended_as():
    """The function above, for tests that start guests in a way of their own."""
    return ended


@pytest.fixture
def bare_process(tmp_path):
    """Run any command that starts a guest: ``bare_process(command, frame, limit, environment) -> Ended``."""
    return lambda command, frame, limit, env=None: run_bare(command, frame, tmp_path, limit, env)


@pytest.fixture(scope="session")
def python_guest(tmp_path_factory):
    """The staged files of the Python guest."""
    return stage(dict(PYTHON_FILES), tmp_path_factory.mktemp("guest"))


@pytest.fixture
def run_python(python_guest, tmp_path):
    """Run code in the Python guest: ``run_python(code, inputs, policy) -> Ended``."""

    def run(code: str, inputs: dict[str, Any] | None = None, policy: Policy = ANY_IMPORT, **extra: Any) -> Ended:
        request = ExecutionRequest(code=code, inputs=inputs or {})
        frame = request_frame(request, policy, **extra)
        program = os.environ.get("GUEST_PYTHON", sys.executable)
        command = [program, "-I", "-S", "-X", "utf8", "-u", str(python_guest / "python" / "main.py")]
        return run_bare(command, frame, tmp_path, policy.max_output_bytes)

    return run


@pytest.fixture
def run_warm(python_guest, forker, tmp_path):
    """Run code in a clone that was warm before it saw the frame; otherwise as ``run_python``."""

    def run(
        code: str,
        inputs: dict[str, Any] | None = None,
        policy: Policy = ANY_IMPORT,
        count: int = 1,
        preload: tuple[str, ...] = PRELOAD,
        sites: tuple[str, ...] = (),
        **extra: Any,
    ) -> Ended:
        frame = request_frame(ExecutionRequest(code=code, inputs=inputs or {}), policy, **extra)
        program = os.environ.get("GUEST_PYTHON", sys.executable)
        words = [str(python_guest), "python.main", repr(sites), str(count), repr(preload)]
        command = [program, "-I", "-S", "-X", "utf8", forker, *words]
        return run_bare(command, frame, tmp_path, policy.max_output_bytes, {"OPENBLAS_NUM_THREADS": "1"})

    return run


__all__ = ["ANY_IMPORT", "Ended", "Launch", "run_bare", "stage"]
