"""A box: one program with all that it starts, shut in as an execution environment of AWS is, as far as Linux alone can.

The program has a root, process numbers, a /tmp and (where asked for) a network of its own. It is an ordinary user, and
sees the interpreter and the machine's programs read-only and none of the tests' files. Root makes such a box directly,
others in a user namespace. When the box is closed, or the test process dies, the kernel kills all that is in it.

Not held, and so not to be tested here: the memory limit, a share of the processors, the freeze between two invocations.
"""

import contextlib
import functools
import itertools
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from host.testing import missing
from tests.emulators.lambda_root import INTERPRETER, root_of
from tests.emulators.trees import remove_tree

__all__ = ["Box", "BoxUnavailable", "Ending", "Process", "need_boxes"]

_INIT = Path(__file__).with_name("lambda_init.py")
_IDS = itertools.count(65_100)
_INSIDE = (993, 990)
"""What the program is to itself where no user id of its own can be given: what Lambda has."""
_SETUP_S = 20


class BoxUnavailable(Exception):
    """This machine lets nobody make namespaces."""


@dataclass(frozen=True)
class Process:
    """A process of a box: its number outside, its name, its command line."""

    pid: int
    name: str
    command: str


@dataclass(frozen=True)
class Ending:
    """How the program ended: its exit code, or -1 and the signal. Without either the whole box was killed."""

    code: int = -1
    signal: int = 0


class Box:
    """One box around one program.

    Attributes:
        temporary: the folder that the program has as /tmp.
        pid: the number of process 1 of the box, outside of it.
        ended: set when the program has ended, and all that it started with it.
    """

    def __init__(
        self,
        program: Sequence[str],
        *,
        environment: Mapping[str, str],
        shown: Sequence[tuple[Path | str, str]] = (),
        folder: str = "/",
        network: bool = False,
        memory: Sequence[str] = (),
        limits: Mapping[str, int] | None = None,
        hostname: str = "localhost",
    ) -> None:
        """Start the program.

        Args:
            program: its command line, as it reads inside.
            environment: all of its environment.
            shown: what else it sees: a path of this machine's and where it stands inside.
            folder: where it starts.
            network: a network of its own, with nothing in it but loopback; ``connect`` reaches into it.
            memory: folders that are of memory and writable, beside /tmp.
            limits: resource limits by name.
            hostname: what the machine calls itself.

        Raises:
            BoxUnavailable: no box can be made here.
        """
        if sys.platform != "linux":
            raise BoxUnavailable("boxes need Linux.")
        self._state = Path(tempfile.mkdtemp(prefix="understudy-box-"))
        self.temporary = self._state / "tmp"
        self.temporary.mkdir()
        (self._state / "root").mkdir()
        root = os.geteuid() == 0
        uid, gid = (next(_IDS),) * 2 if root else _INSIDE
        self.temporary.chmod(0o700)
        if root:
            os.chown(self.temporary, uid, gid)
        self.pid = 0
        self.ended = threading.Event()
        self.ending = Ending()
        self._trouble = ""
        self._set_up = threading.Event()
        self._output = bytearray()
        self._reading = threading.Lock()
        listener = self._listen() if network else None
        plan = {
            "root": str(self._state / "root"),
            "program": list(program),
            "environment": dict(environment),
            "folder": folder,
            "uid": uid,
            "gid": gid,
            "limits": dict(limits or {}),
            "network": network,
            "listener": listener.fileno() if listener else -1,
            "memory": list(memory),
            "hostname": hostname,
            **root_of(uid, gid, hostname),
        }
        plan["binds"] += [(str(source), path, False) for source, path in shown]
        plan["binds"].append((str(self.temporary), "/tmp", True))
        self._start(plan, listener)

    def _listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self._state / "door"))
        listener.listen(128)
        return listener

    def _start(self, plan: dict, listener: socket.socket | None) -> None:
        status, status_in = os.pipe()
        self._out, out_in = os.pipe()
        os.set_blocking(self._out, False)
        descriptors = [status_in, *([listener.fileno()] if listener else [])]
        command = [sys.executable, "-I", "-S", str(_INIT), str(status_in)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=out_in, stderr=out_in, pass_fds=descriptors, env={}, cwd="/"
        )
        os.close(status_in)
        os.close(out_in)
        if listener:
            listener.close()  # only the box listens, so that nobody waits at the door of one that has ended
        self._process.stdin.write(json.dumps(plan).encode() + b"\n")
        self._process.stdin.flush()
        self._followers = [threading.Thread(target=self._follow, args=(status,), name="box", daemon=True)]
        self._followers.append(threading.Thread(target=self._drain, name="box output", daemon=True))
        for thread in self._followers:
            thread.start()
        if not self._set_up.wait(_SETUP_S) or self._trouble:
            said = self._trouble or self.output().decode(errors="replace")[-500:] or "it took too long"
            self.close()
            raise BoxUnavailable(f"no box can be made on this machine: {said}.")

    def _follow(self, status: int) -> None:
        """Read what process 1 tells, to its end."""
        with open(status, encoding="utf-8") as lines:
            for line in lines:
                match json.loads(line):
                    case {"init": pid}:
                        self.pid = pid
                    case {"trouble": text}:
                        self._trouble = text
                    case {"running": True}:
                        self._set_up.set()
                    case {"ended": [code, number]}:
                        self.ending = Ending(code, number)
        self._process.wait()
        self.ended.set()
        self._set_up.set()

    def _drain(self) -> None:
        """Take the output as it comes, so that the program never waits for a reader."""
        looking = select.poll()
        looking.register(self._out, select.POLLIN)
        while True:
            looking.poll()
            if not self._take():
                return

    def _take(self) -> bool:
        """Take what output is there. False at its end: when nobody is left who could write."""
        with self._reading:
            while self._out >= 0:
                try:
                    piece = os.read(self._out, 65536)
                except BlockingIOError:
                    return True
                if not piece:
                    return False
                self._output += piece
        return False

    def output(self) -> bytes:
        """What the program and all that it started have written up to now."""
        self._take()
        with self._reading:
            return bytes(self._output)

    def processes(self) -> list[Process]:
        """All that lives in the box, but for its process 1: the program first, then by age."""
        parents: dict[int, list[tuple[int, Process]]] = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                name, _, rest = (entry / "stat").read_text(errors="replace").partition("(")[2].rpartition(")")
                state, parent, *facts = rest.split()
                if state not in "ZX":
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                    process = Process(int(entry.name), name, command)
                    parents.setdefault(int(parent), []).append((int(facts[17]), process))
        found: list[tuple[int, Process]] = []
        waiting = list(parents.get(self.pid, ())) if self.pid else []
        while waiting:
            each = waiting.pop()
            found.append(each)
            waiting += parents.get(each[1].pid, ())
        return [process for _, process in sorted(found, key=lambda each: (each[0], each[1].pid))]

    def connect(self, port: int, timeout: float) -> socket.socket:
        """A connection to a port of the box's own network.

        Raises:
            ConnectionRefusedError: nobody listens there.
        """
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(timeout)
        try:
            connection.connect(str(self._state / "door"))
            connection.sendall(f"{port}\n".encode())
            answer = b""
            while not answer.endswith(b"\n"):
                piece = connection.recv(1)
                if not piece:
                    break
                answer += piece
        except OSError as error:
            connection.close()
            raise ConnectionRefusedError(f"the box cannot be reached: {error}") from error
        if answer != b"joined\n":
            connection.close()
            raise ConnectionRefusedError(f"nobody listens on port {port} of the box")
        return connection

    def signal(self, number: int) -> None:
        """Send a signal to everything in the box."""
        for process in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)

    def close(self) -> None:
        """Kill everything in the box and wait until it is gone."""
        if self._process.stdin and not self._process.stdin.closed:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        for thread in self._followers:
            if thread is not threading.current_thread():
                thread.join()
        with self._reading:
            if self._out >= 0:
                os.close(self._out)
                self._out = -1
        remove_tree(self._state)


@functools.cache
def _trouble() -> str:
    try:
        Box([INTERPRETER, "-c", ""], environment={}).close()
    except BoxUnavailable as error:
        return str(error)
    return ""


def need_boxes() -> None:
    """End a test on a machine where no box can be made: it is skipped, and fails where ``CI`` is set."""
    if sys.platform != "linux":
        pytest.skip("boxes need Linux")
    if trouble := _trouble():
        missing(f"{trouble} Run the tests as root, or allow user namespaces to everybody")
