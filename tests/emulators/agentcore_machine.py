"""A session's machine: a folder, an environment that has nothing of the tester's, and processes that end with it.

It is no wall: what runs here can do what the tester can do. `agentcore_init.py` is the parent of its processes.
"""

import base64
import contextlib
import itertools
import json
import os
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.emulators.trees import remove_tree

__all__ = ["Ended", "Machine", "MachineGone", "Output"]

_HERE = Path(__file__).parent
_PIECE = 262_144
_LONGEST_ARGUMENT = 100_000


class MachineGone(Exception):
    """The machine was ended while something ran on it."""


class Output:
    """What came from a pipe so far."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def add(self, piece: bytes) -> None:
        """Something more came."""
        self._pieces.append(piece)

    def __str__(self) -> str:
        return b"".join(self._pieces).decode("utf-8", "replace")


class Ended:
    """What a program wrote, how it ended, and how long it took in milliseconds."""

    def __init__(self) -> None:
        self.stdout, self.stderr = Output(), Output()
        self.exit_code = 0
        self.milliseconds = 0.0


def _drain(pipe: int, output: Output) -> bool:
    """Take what is there; whether more may come."""
    while True:
        try:
            piece = os.read(pipe, _PIECE)
        except BlockingIOError:
            return True
        if not piece:
            return False
        output.add(piece)


class _Pipes:
    """The pipes for stdout and stderr of one execution: our ends, and the ends that a program gets."""

    def __init__(self) -> None:
        self._out, self.out = os.pipe2(os.O_CLOEXEC)
        self._err, self.err = os.pipe2(os.O_CLOEXEC)

    def given_away(self) -> None:
        os.close(self.out)
        os.close(self.err)

    def follow(self, until: int, ended: Ended) -> None:
        """Read both until a third descriptor is readable, and then what is left. What writes on has no reader then."""
        with selectors.DefaultSelector() as selector:
            for pipe, output in ((self._out, ended.stdout), (self._err, ended.stderr)):
                os.set_blocking(pipe, False)
                selector.register(pipe, selectors.EVENT_READ, output)
            selector.register(until, selectors.EVENT_READ)
            over = False
            while not over:
                for key, _ in selector.select():
                    if key.fd == until:
                        over = True
                    elif not _drain(key.fd, key.data):
                        selector.unregister(key.fd)
        _drain(self._out, ended.stdout)
        _drain(self._err, ended.stderr)

    def close(self) -> None:
        os.close(self._out)
        os.close(self._err)


class Machine:
    """Where the programs of one session run. Its methods may be called from many threads."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.work, self._home, self._temporary = folder / "var", folder / "home", folder / "tmp"
        self._folder, self.programs = folder, programs
        for each in (self.work, self._home, self._temporary):
            each.mkdir(parents=True)
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._init = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_HERE / "agentcore_init.py"), str(theirs.fileno())],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        self._ended = False
        self._kernel: _Kernel | None = None
        self._kernel_lock = threading.Lock()

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self.programs}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self._home),
            "TMPDIR": str(self._temporary),
            "LANG": "C.UTF-8",
            "MPLBACKEND": "agg",
            "DENO_NO_UPDATE_CHECK": "1",
        }

    def end(self) -> None:
        """Kill everything that runs here and remove the folder; whoever waits for a program gets MachineGone."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
            self._orders.close()
        self._init.wait()
        with self._kernel_lock:
            if self._kernel is not None:
                self._kernel.close()
        remove_tree(self._folder)

    def order(self, message: dict, descriptors: list[int]) -> None:
        """Send an order to the first process.

        Raises:
            MachineGone: if it is ended.
        """
        with self._lock:
            try:
                if self._ended:
                    raise MachineGone
                socket.send_fds(self._orders, [json.dumps(message).encode()], descriptors)
            except OSError as error:
                raise MachineGone from error

    def _file(self, text: str, suffix: str) -> str:
        descriptor, name = tempfile.mkstemp(dir=self._folder, suffix=suffix)
        with open(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        return name

    def shell(self, command: str) -> list[str]:
        """The argument list that runs a command; one that is too long for an argument goes through a file."""
        shell = shutil.which("bash") or "sh"
        if len(command) < _LONGEST_ARGUMENT:
            return [shell, "-c", command]
        return [shell, self._file(command, ".sh")]

    def start(self, argv: list[str], *, stdin: int | None = None, pipes: _Pipes | None = None) -> tuple[int, int]:
        """Start a program: its number, and the pipe that will say how it ended."""
        status, theirs = os.pipe2(os.O_CLOEXEC)
        number = next(self._numbers)
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        given = [nothing if stdin is None else stdin, pipes.out if pipes else nothing, pipes.err if pipes else nothing]
        try:
            self.order({"run": number, "argv": argv, "cwd": str(self.work)}, [*given, theirs])
        except MachineGone:
            os.close(status)
            raise
        finally:
            os.close(nothing)
            os.close(theirs)
        return number, status

    def kill(self, number: int) -> None:
        """Kill a program with all that descend from it."""
        with contextlib.suppress(MachineGone):
            self.order({"kill": number}, [])

    def run(
        self, argv: list[str], ended: Ended, *, begun: Callable[[int], None] = lambda _: None, given: str | None = None
    ) -> None:
        """Run a program to its end, with a text as its stdin.

        Raises:
            MachineGone: if the machine is ended meanwhile.
        """
        began = time.perf_counter()
        pipes = _Pipes()
        stdin = None
        try:
            try:
                if given is not None:
                    stdin = os.open(self._file(given, ".in"), os.O_RDONLY | os.O_CLOEXEC)
                number, status = self.start(argv, stdin=stdin, pipes=pipes)
            finally:
                pipes.given_away()
                if stdin is not None:
                    os.close(stdin)
            begun(number)
            with open(status, "rb") as how:
                pipes.follow(how.fileno(), ended)
                code = how.readline()
        finally:
            pipes.close()
        if not code:
            raise MachineGone
        ended.exit_code = int(code)
        ended.milliseconds = (time.perf_counter() - began) * 1000

    def execute(self, code: str, ended: Ended, *, clear: bool) -> list[bytes]:
        """Run Python in the process that keeps its state; the images that it drew.

        Raises:
            MachineGone: if the machine is ended meanwhile.
        """
        began = time.perf_counter()
        with self._kernel_lock:
            if self._kernel is None:
                self._kernel = _Kernel(self)
            images = self._kernel.execute(self._file(code, ".py"), ended, clear=clear)
            if images is None:
                self._kernel.close()
                self._kernel = None
                if self._ended:
                    raise MachineGone
                ended.stderr.add(b"The kernel died; its state is lost.\n")
                ended.exit_code = ended.exit_code or 1
        ended.milliseconds = (time.perf_counter() - began) * 1000
        return images or []


class _Kernel:
    """The process that keeps the state of Python on a machine."""

    def __init__(self, machine: Machine) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        program = [str(machine.programs / "python3"), "-I", str(_HERE / "agentcore_kernel.py")]
        with theirs:
            try:
                _, self._status = machine.start(program, stdin=theirs.fileno())
            except MachineGone:
                self._control.close()
                raise

    def execute(self, file: str, ended: Ended, *, clear: bool) -> list[bytes] | None:
        """Run a file; the images, or None if the process died of it."""
        pipes = _Pipes()
        try:
            try:
                request = json.dumps({"file": file, "clear": clear}).encode()
                socket.send_fds(self._control, [request], [pipes.out, pipes.err])
            finally:
                pipes.given_away()
            pipes.follow(self._control.fileno(), ended)
            with self._control.makefile("rb") as answers:
                size = answers.read(4)
                if len(size) < 4:
                    return None
                answer = json.loads(answers.read(int.from_bytes(size, "big")))
        except OSError:
            return None
        finally:
            pipes.close()
        ended.exit_code = answer["exitCode"]
        return [base64.b64decode(each) for each in answer["images"]]

    def close(self) -> None:
        self._control.close()
        os.close(self._status)
