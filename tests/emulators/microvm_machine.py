"""One emulated MicroVM: its processes in a box with a network of their own, its states, its lifecycle hooks."""

import contextlib
import http.client
import json
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.emulators.lambda_box import Box, BoxUnavailable, Process
from tests.emulators.microvm_program import Program

__all__ = ["Channel", "HookFailed", "Hooks", "Machine"]

_HOOKS = "/aws/lambda-microvms/runtime/v1/"
_TO_LISTEN_S = 15.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/var/lang/bin"
LIVE = {"PENDING", "RUNNING", "SUSPENDING", "SUSPENDED"}


class Channel(http.client.HTTPConnection):
    """HTTP to a port inside a box."""

    def __init__(self, box: Box, port: int, timeout: float) -> None:
        """Nothing is connected yet."""
        super().__init__("localhost", port, timeout=timeout)
        self._box = box

    def connect(self) -> None:
        """Reach into the box.

        Raises:
            ConnectionRefusedError: nobody listens there.
        """
        self.sock = self._box.connect(self.port, self.timeout)


@dataclass(frozen=True)
class Hooks:
    """The lifecycle hooks of an image, as CreateMicrovmImage has them."""

    port: int = 0
    enabled: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, given: dict[str, Any] | None) -> "Hooks":
        """Read them; a hook without a time has 1 second, those of the build 30."""
        found: dict[str, float] = {}
        for group, usual in (("microvmHooks", 1), ("microvmImageHooks", 30)):
            members = (given or {}).get(group, {})
            for name, value in members.items():
                if value == "ENABLED":
                    found[name] = members.get(f"{name}TimeoutInSeconds", usual)
        return cls((given or {}).get("port", 0), found)


class HookFailed(Exception):
    """What a hook answered that was not 200."""


class Machine:
    """The processes of one MicroVM.

    Attributes:
        state: one of the model's states.
        reason: why it is in it, where that is worth a word.
        running: set when it runs, or never will.
    """

    def __init__(self, program: Program, hooks: Hooks, environment: dict[str, str]) -> None:
        """Nothing is started yet."""
        self.state = "PENDING"
        self.reason = ""
        self.running = threading.Event()
        self._program, self._hooks, self._environment = program, hooks, environment
        self._box: Box | None = None
        self._lock = threading.RLock()
        self._starter: threading.Thread | None = None

    @property
    def live(self) -> bool:
        """Whether it is not over, or about to be."""
        return self.state in LIVE

    def start(self, payload: str | None) -> None:
        """Begin to start; it runs when its program has been started and its run hook has answered 200."""
        self._starter = threading.Thread(target=self._run, args=(payload,), name="microvm starts")
        self._starter.start()

    def _run(self, payload: str | None) -> None:
        try:
            self.boot()
            if payload is not None or "run" in self._hooks.enabled:
                self.hook("run", {"runHookPayload": payload or ""})
        except (BoxUnavailable, HookFailed) as error:
            self.terminate(str(error))
        else:
            with self._lock:
                if self.state == "PENDING":
                    self.state = "RUNNING"
        self.running.set()

    def boot(self) -> None:
        """Start the program.

        Raises:
            BoxUnavailable: no box can be made here.
        """
        program = self._program
        box = Box(
            program.command,
            environment={"PATH": _PATH, "HOME": "/tmp", **program.environment, **self._environment},
            shown=program.shown,
            folder=program.folder,
            network=True,
            memory=["/dev/shm"],
        )
        with self._lock:
            if self.live:
                self._box = box
                return
        box.close()

    def channel(self, port: int, timeout: float) -> Channel:
        """HTTP to one of its ports.

        Raises:
            ConnectionRefusedError: it does not run.
        """
        box = self._box
        if box is None or self.state not in {"PENDING", "RUNNING"}:
            raise ConnectionRefusedError("the MicroVM does not run")
        return Channel(box, port, timeout)

    def hook(self, name: str, body: dict[str, Any] | None = None) -> None:
        """Call a lifecycle hook where the image has it.

        Raises:
            HookFailed: it did not answer 200 in its time.
        """
        limit = self._hooks.enabled.get(name)
        if limit is None:
            return
        title = name.capitalize()
        try:
            status = self._asked(name, body, limit)
        except TimeoutError as error:
            raise HookFailed(f"{title} hook invocation timed out after PT{limit:g}S") from error
        except (OSError, http.client.HTTPException) as error:
            raise HookFailed(f"{title} lifecycle hook could not be reached.") from error
        if status != 200:
            text = f"{title} lifecycle hook returned HTTP status {status}. Please check your hook endpoint and"
            raise HookFailed(f"{text} application logs for more details.")

    def _asked(self, name: str, body: dict[str, Any] | None, limit: float) -> int:
        """The status that a hook answers. Those of the build may ask to be called again, in all their time."""
        building = name in {"ready", "validate"}
        end = time.monotonic() + (limit if building else _TO_LISTEN_S)
        again = threading.Event()
        while time.monotonic() < end:
            with contextlib.closing(self.channel(self._hooks.port, limit)) as channel:
                try:
                    channel.request("POST", _HOOKS + name, json.dumps(body or {}), {"Content-Type": "application/json"})
                    status = channel.getresponse().status
                except ConnectionRefusedError:
                    status = 0
            if status and not (status == 503 and building):
                return status
            again.wait(0.01)
        raise TimeoutError

    def suspend(self) -> None:
        """Stop every process where it stands."""
        self.state = "SUSPENDING"
        with contextlib.suppress(HookFailed):
            self._while_running(lambda: self.hook("suspend"))
        if self._box:
            self._box.signal(signal.SIGSTOP)
        self.state = "SUSPENDED"

    def resume(self) -> None:
        """Let every process go on."""
        if self._box:
            self._box.signal(signal.SIGCONT)
        self.state = "RUNNING"
        with contextlib.suppress(HookFailed):
            self.hook("resume")

    def _while_running(self, call: Callable[[], None]) -> None:
        before, self.state = self.state, "RUNNING"
        try:
            call()
        finally:
            self.state = before

    def terminate(self, reason: str) -> None:
        """Kill every process, for good."""
        with self._lock:
            if not self.live:
                return
            if self.state == "RUNNING":
                with contextlib.suppress(HookFailed):
                    self.hook("terminate")
            self.state, self.reason = "TERMINATING", reason
            box = self._box
        if box:
            box.close()
        self.join()
        self.state = "TERMINATED"
        self.running.set()

    def join(self) -> None:
        """Wait for what starts it."""
        if self._starter and self._starter is not threading.current_thread():
            self._starter.join()

    def processes(self) -> list[Process]:
        """All that runs in it."""
        return self._box.processes() if self._box else []

    def output(self) -> str:
        """What its processes have written so far."""
        return self._box.output().decode(errors="replace") if self._box else ""
