"""Runs a guest as a bare process, without a wall: a launch, with its paths inside mapped back to host paths."""

import contextlib
import datetime
import fcntl
import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from adapters.guest.contract import Guest, Launch, Missing, Runtime, SessionGuest
from adapters.guest.protocol import FrameError, unpack
from host.canonical import canonical_wire
from host.models import ExecutionRequest
from host.policy import Policy
from host.testing import missing
from host.values import Image, Opaque, Table, decode, encode


@dataclass
class Ended:
    """What a bare run left behind."""

    exit_code: int
    stdout: str
    stderr: str
    reports: list[dict[str, Any]] = field(default_factory=list)
    report: bytes = b""

    @property
    def value(self) -> Any:
        assert self.exit_code == 0, self.stderr
        return decode(self.wire)

    @property
    def wire(self) -> Any:
        (message,) = [report for report in self.reports if report["kind"] == "value"]
        return message["value"]

    @property
    def error(self) -> dict[str, Any]:
        (message,) = [report for report in self.reports if report["kind"] == "error"]
        return message


Run = Callable[..., Ended]


def found(guest: Guest) -> Runtime:
    """The guest's runtime, or a skip (on a machine that must have everything: a failure)."""
    runtime = guest.find()
    if isinstance(runtime, Missing):
        missing(f"{runtime.reason}; {runtime.remedy}")
    return runtime


def outside(path: str, trees: dict[Path, str]) -> str:
    """The host path of a path inside the wall."""
    for host_path, inside in sorted(trees.items(), key=lambda pair: -len(pair[1])):
        if path == inside or path.startswith(inside.rstrip("/") + "/"):
            return str(host_path) + path[len(inside) :]
    return path


def start(launch: Launch, runtime: Runtime, folder: Path, timeout: float = 60) -> Ended:
    """Start a launch with descriptors 0 to 3 and wait for it."""
    trees = {**runtime.trees, **launch.trees}
    argv = [_mapped(argument, trees) for argument in launch.argv]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "TZ": "UTC", "LANG": "C.UTF-8"}
    environment |= {name: _mapped(text, trees) for name, text in launch.environment.items()}
    with tempfile.TemporaryFile() as report:
        high = fcntl.fcntl(report.fileno(), fcntl.F_DUPFD, 20)  # never 3 itself
        process = subprocess.run(
            ["/bin/bash", "-c", f'exec "$@" 3>&{high} {high}>&-', "bash", *argv],
            input=launch.frame,
            capture_output=True,
            pass_fds=[high],
            env=environment,
            cwd=folder,
            timeout=timeout,
            check=False,
        )
        os.close(high)
        report.seek(0)
        data = report.read()
    reports = [] if launch.report_is_text else list(unpack(data, 1 << 28))
    return Ended(process.returncode, _text(process.stdout), _text(process.stderr), reports, data)


class Live:
    """A session as a bare process: frames on descriptor 0, reports on 3."""

    def __init__(self, argv: list[str], folder: Path, environment: dict[str, str]) -> None:
        reports, report = os.pipe()
        high = fcntl.fcntl(report, fcntl.F_DUPFD, 20)  # never 3 itself
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", f'exec "$@" 3>&{high} {high}>&-', "bash", *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[high],
            env=environment,
            cwd=folder,
        )
        os.close(report)
        os.close(high)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._streams = {"out": self._process.stdout.fileno(), "err": self._process.stderr.fileno(), "report": reports}
        self.pid = self._process.pid

    def command(self, frame: bytes) -> Ended:
        """Run one command to its ``done``, or to the end of the process; then the exit code is the process's."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(frame)
            self._process.stdin.flush()
        return self._until_done()

    def finish(self) -> Ended:
        """End the channel of the commands and wait for what is left to come."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._until_done()

    def interrupt(self) -> None:
        """What Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End the process, however it is."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        os.close(self._streams["report"])

    def _until_done(self) -> Ended:
        came = {name: bytearray() for name in self._streams}
        open_ends = set(self._streams)
        while open_ends and not _is_done(bytes(came["report"])):
            ready, _, _ = select.select([self._streams[name] for name in open_ends], [], [], 60)
            assert ready, "the session says nothing"
            for name in [name for name in open_ends if self._streams[name] in ready]:
                piece = os.read(self._streams[name], 1 << 16)
                came[name] += piece
                if not piece:
                    open_ends.discard(name)
        for name in open_ends - {"report"}:  # what was printed is there before `done` is
            while select.select([self._streams[name]], [], [], 0)[0] and (
                piece := os.read(self._streams[name], 1 << 16)
            ):
                came[name] += piece
        reports = list(unpack(bytes(came["report"]), 1 << 28))
        done = reports.pop() if reports and reports[-1]["kind"] == "done" else None
        code = self._process.wait(60) if done is None else done["exit_code"]
        return Ended(code, _text(bytes(came["out"])), _text(bytes(came["err"])), reports, bytes(came["report"]))


def _is_done(data: bytes) -> bool:
    try:
        return any(message["kind"] == "done" for message in unpack(data, 1 << 28))
    except FrameError:
        return False


@pytest.fixture
def open_live() -> Iterator[Callable[..., Live]]:
    """Gives the function that starts a session from ``argv``, a folder and an environment; all are ended in the end."""
    started: list[Live] = []

    def start_live(argv: list[str], folder: Path, environment: dict[str, str] | None = None) -> Live:
        started.append(
            Live(argv, folder, {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC", **(environment or {})})
        )
        return started[-1]

    yield start_live
    for live in started:
        live.kill()


@pytest.fixture
def bare_session(open_live: Callable[..., Live], tmp_path: Path) -> Callable[..., Run]:
    """Gives the function that opens a session of a guest: ``bare_session(guest) -> run(code, inputs)``.

    Keyword arguments change the policy. ``run.live`` is the session.
    """

    def open_session(guest: SessionGuest, **fields: Any) -> Run:
        runtime = found(guest)
        policy = Policy(name="bare", **{"allowed_imports": None, "file_system_access": "sandboxed", **fields})
        launch = guest.open(policy, runtime)
        trees = {**runtime.trees, **launch.trees}
        environment = {name: _mapped(text, trees) for name, text in launch.environment.items()}
        live = open_live([_mapped(word, trees) for word in launch.argv], tmp_path, environment)

        def run(code: str, inputs: dict[str, Any] | None = None) -> Ended:
            request = ExecutionRequest(code=code, language=guest.language, inputs=inputs or {})
            return live.command(guest.frame(request, policy))

        run.live = live
        return run

    return open_session


FORKER = """
import ctypes, os, signal, sys
guest, module, sites, count, preload = *sys.argv[1:3], *map(eval, sys.argv[3:6])
frame = sys.stdin.buffer.read()
nothing, real = os.open("/dev/null", os.O_RDWR), [os.dup(1), os.dup(2)]
for number in (0, 1, 2):  # a program's output is not there yet
    os.dup2(nothing, number)
sys.path[:] = [guest, *sys.path, *sites]
for name in preload:
    __import__(name)
main = __import__(module, fromlist=["main"])
main.before_fork()
libc, number = ctypes.CDLL(None), {"x86_64": 56, "aarch64": 220}[os.uname().machine]
for _ in range(count):
    child = libc.syscall(number, signal.SIGCHLD, 0, 0, 0, 0)  # a clone: no hook of Python's or of the C library's runs
    if child == 0:
        for number, descriptor in enumerate(real, 1):
            os.dup2(descriptor, number)
        for descriptor in (nothing, *real):
            os.close(descriptor)
        main.warm()
        main.warm()
        main.run(frame, 3)
    status = os.waitpid(child, 0)[1]
if os.WIFSIGNALED(status):
    os.kill(os.getpid(), os.WTERMSIG(status))
os._exit(os.WEXITSTATUS(status))
"""
"""Clones itself ``count`` times, as a launcher that has the guest imported; each clone warms up and runs the frame."""


@pytest.fixture(scope="session")
def forker(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file of a program like a launcher. Its arguments: the folder that stands for /guest, the guest's module; as
    Python writes them, folders of packages, how many clones, modules to import ahead.
    """
    file = tmp_path_factory.mktemp("forker") / "forker.py"
    file.write_text(FORKER)
    return str(file)


def _mapped(argument: str, trees: dict[Path, str]) -> str:
    head, equals, tail = argument.partition("=")
    if equals and tail.startswith("/"):
        return f"{head}={outside(tail, trees)}"
    return outside(argument, trees) if argument.startswith("/") else argument


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def runner(guest: Guest, runtime: Runtime, folder: Path) -> Run:
    """A function that runs code in a guest; keyword arguments after ``inputs`` change the policy."""

    def run(code: str, inputs: dict[str, Any] | None = None, **fields: Any) -> Ended:
        policy = Policy(name="bare", **{"allowed_imports": None, "file_system_access": "sandboxed", **fields})
        request = ExecutionRequest(code=code, language=guest.language, inputs=inputs or {})
        return start(guest.launch(request, policy, runtime), runtime, folder)

    return run


@pytest.fixture(scope="session")
def bare_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Guest], Run]:
    """Gives the function that runs code in a guest, in an empty folder."""
    return lambda guest: runner(guest, found(guest), tmp_path_factory.mktemp(guest.language))


def _typed_values() -> st.SearchStrategy[Any]:
    anything = st.characters(exclude_categories=())  # lone surrogates too
    texts = st.text(anything, max_size=12) | st.sampled_from(
        ["", "$type", "$", "__proto__", "constructor", "\0", "\u2028", "😀"]
    )
    minutes = st.integers(-1439, 1439).map(lambda count: datetime.timedelta(minutes=count))
    offsets = st.none() | minutes.map(datetime.timezone)
    hashable = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(-(2**70), 2**70),
        st.floats(allow_nan=False),
        texts,
        st.decimals(allow_nan=False),
        st.fractions(),
        st.dates(),
        st.times(timezones=offsets),
        st.datetimes(timezones=offsets),
        st.timedeltas(),
        st.binary(max_size=20),
    )
    leaves = st.one_of(
        hashable,
        st.floats(),
        st.complex_numbers(),
        st.sampled_from(
            [2**13500, -(2**14000), 10**30, 2**53, -(2**53) + 1, 1e20, 1e21, -0.0, 5e-324, 1.2345678901234567e20]
        ),
        st.frozensets(hashable, max_size=4).map(set),
        st.dictionaries(hashable, st.integers(), max_size=3),
        st.builds(Image, st.just("image/png"), st.binary(max_size=20)),
        st.builds(Opaque, st.text(max_size=5), st.text(max_size=5)),
    )
    tables = st.lists(st.text(max_size=4), min_size=1, max_size=3).flatmap(
        lambda columns: st.lists(st.tuples(*[leaves] * len(columns)), max_size=3).map(lambda rows: Table(columns, rows))
    )
    return st.recursive(
        leaves | tables,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
        max_leaves=12,
    )


@pytest.fixture(scope="session")
def typed_values() -> st.SearchStrategy[Any]:
    """Any value of any type that the wire form knows."""
    return _typed_values()


def _unordered(wire: Any) -> Any:
    """The wire form with the pairs of maps in one order, because maps have none in most languages."""
    if isinstance(wire, list):
        return [_unordered(item) for item in wire]
    if not isinstance(wire, dict):
        return wire
    wire = {key: _unordered(item) for key, item in wire.items()}
    if wire.get("$type") in ("map", "set"):
        wire["value"].sort(key=canonical_wire)
    return wire


@pytest.fixture(scope="session")
def fingerprint() -> Callable[[Any], bytes]:
    """Gives bytes that two values have in common if and only if they are equal in type and content (1 and 1.0 are)."""
    return lambda value: canonical_wire(_unordered(encode(value)))
