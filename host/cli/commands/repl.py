"""``understudy repl``: an interpreter behind the wall, line by line."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Annotated, Any

import typer

from host.cli.aside import HostAside
from host.cli.errors import CANCELLED, UsageError, exit_code_for_status, report
from host.cli.options import JsonOption, OutOption, PolicyOption
from host.cli.prompt import commands
from host.cli.reading import caller, read_code, read_limits
from host.cli.saving import Saver
from host.cli.session import session
from host.cli.showing import LiveOutput, value_text
from host.cli.terminal import complain, console, print_json, printable, waiting
from host.errors import SessionEnded, UnderstudyError
from host.host import build_host
from host.interface import discard
from host.logs import set_up_logs
from host.models import ExecutionRequest, ExecutionResult, Status
from host.sessions import SessionInfo
from host.settings import Settings

__all__ = ["repl"]

_HELP = """\
:help         this
:load FILE    run a file as one command
:info         what the session has used, and how long it lives
:new          end the session and begin a new one
:quit         end; so does Ctrl-D
Ctrl-C stops the running command, or drops what is typed."""


def repl(
    language: Annotated[str, typer.Option("--language", "-l", help="What is typed.")] = "python",
    policy: PolicyOption = None,
    adapter: Annotated[str | None, typer.Option("--adapter", help="Only this adapter may keep the session.")] = None,
    timeout_ms: Annotated[
        int | None, typer.Option("--timeout-ms", min=1, help="Wall-clock time of each command, in ms.")
    ] = None,
    limit: Annotated[
        list[str] | None, typer.Option("--limit", metavar="NAME=VALUE", help="Tighten one limit of the policy.")
    ] = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> int:
    """Type commands into a live interpreter behind the best wall that is ready; its variables stay until it ends.

    Commands may come from a pipe too. Then the exit code is that of the first command that did not succeed, as `run`
    has them, and a command that takes the session along is the last. With --json each result is a line.
    """
    settings = session().settings()
    set_up_logs(settings.logs)
    asked: dict[str, Any] = {"language": language, "policy": policy, "adapter": adapter, "actor": caller()}
    asked["limits"] = read_limits(limit or (), timeout_ms)
    building = build_host(settings, only_language=language)
    with waiting("Starting", quiet=as_json) as ready, _sigterm_ends(), HostAside(building) as aside:
        loop = _Loop(aside, settings, asked, Saver(out), as_json)
        loop.open()
        ready()
        return loop.run()


class _Over(Exception):
    """There are no more commands."""


@dataclass
class _Loop:
    """Reads a command, runs it, shows its result, and again.

    Attributes:
        asked: what ``Host.open_session`` is given.
        info: the session as it was opened.
        by_hand: somebody sits at the terminal.
        code: the exit code until now.
    """

    aside: HostAside
    settings: Settings
    asked: dict[str, Any]
    saver: Saver
    as_json: bool
    info: SessionInfo = field(init=False)
    by_hand: bool = field(default_factory=lambda: sys.stdin.isatty())
    code: int = 0

    def open(self) -> None:
        """Begin a session that lives as long as one may."""
        times = self.settings.sessions
        lives: dict[str, Any] = {"idle_ms": times.max_idle_ms, "lifetime_ms": times.max_lifetime_ms}
        self.info = self.aside.wait(self.aside.host.open_session(**self.asked, **lives))

    def run(self) -> int:
        """Until there are no more commands; the exit code."""
        info = self.info
        if self.by_hand and not self.as_json:
            where = f"{info.language} under policy {info.policy} on {info.adapter}"
            console().print(printable(f"Understudy: {where}. :help lists what else there is; Ctrl-D ends."))
        most, history = self.settings.policies.max_code_bytes, self.settings.state_dir / "repl_history"
        try:
            for text in commands(info.language, most_chars=most, history=history):
                self._take(text)
        except _Over:
            pass
        return 0 if self.by_hand else self.code

    def _take(self, text: str) -> None:
        try:
            if text.startswith(":"):
                self._ask(*text[1:].split(maxsplit=1))
            else:
                self._run(text)
        except SessionEnded as error:
            self._fail(report(error, as_json=self.as_json))
            self._begin_anew("The command was not run.")
        except UnderstudyError as error:
            self._fail(report(error, as_json=self.as_json))

    def _ask(self, name: str = "", argument: str = "") -> None:
        """Do what was asked of the loop itself."""
        ways: dict[str, Callable[[], object]] = {
            "help": lambda: console().print(_HELP),
            "load": lambda: self._run(read_code(argument, None)),
            "info": self._show_info,
            "new": self._renew,
            "quit": _quit,
        }
        if name not in ways or (name == "load") != bool(argument):
            raise UsageError(f":{name} {argument}".rstrip() + " is nothing that this loop knows.", remedy="See :help.")
        ways[name]()

    def _run(self, code: str) -> None:
        request = ExecutionRequest(code=code, session=self.info.id)
        live = LiveOutput(lambda: None, self.settings.terminal.pictures)
        future = self.aside.begin(self.aside.host.execute(request, discard if self.as_json else live))
        while True:
            try:
                result = future.result()
                break
            except KeyboardInterrupt:
                self.aside.begin(self.aside.host.cancel(request.id, "Ctrl-C stopped the command."))
        self._fail(exit_code_for_status(result.status))
        if self.as_json:
            print_json(result.model_dump(mode="json"))
        else:
            live.finish(result)
            self._show(result)
        if result.session_ended:
            self._begin_anew(f"The session ended with that command ({result.status}).")

    def _show(self, result: ExecutionResult) -> None:
        """All but the output, which was shown as it came."""
        if result.status is not Status.SUCCEEDED:
            if result.status is not Status.FAILED or not result.stderr.strip():  # else the traceback has said it
                complain(f"{result.status}: {result.reason}")
        elif result.value is not None:
            text = repr(result.value) if isinstance(result.value, str) else value_text(result.value)
            console().print(printable(text))
        for sentence in self.saver.save(result):
            console().print(printable(sentence))

    def _begin_anew(self, why: str) -> None:
        """The session is over. Whoever types gets a new one; what a pipe holds was written for the old one."""
        if not self.by_hand:
            complain(f"{why} What comes after it is not run.")
            raise _Over
        self.open()
        complain(f"{why} A new session begins, without the variables of the old one.")

    def _renew(self) -> None:
        self.aside.wait(self.aside.host.end_session(self.info.id))
        self.open()

    def _show_info(self) -> None:
        info = self.aside.wait(self.aside.host.session(self.info.id))
        if self.as_json:
            print_json(info.model_dump(mode="json"))
            return
        used, allowed = info.used, info.allowed
        lines = (
            f"session  {info.id}",
            f"used     {used.commands} of {allowed.commands} commands, {used.wall_ms:.0f} of {allowed.wall_ms:.0f} ms",
            f"ends     {info.expires_at:%Y-%m-%d %H:%M:%S} UTC, if nothing more is run",
        )
        console().print("\n".join(lines))

    def _fail(self, code: int) -> None:
        self.code = self.code or code


def _quit() -> None:
    raise _Over


@contextmanager
def _sigterm_ends() -> Iterator[None]:
    """Within the block SIGTERM ends the command as an error does, so that the host closes."""
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(CANCELLED)
