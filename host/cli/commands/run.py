"""``understudy run``: one program, from the command line to its exit code."""

import asyncio
import contextlib
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from host import builtin
from host.cli.discovery import plugins_that_load
from host.cli.errors import CANCELLED, UsageError, exit_code_for_status
from host.cli.options import (
    CodeOption,
    FileArgument,
    JsonOption,
    LanguageOption,
    OutOption,
    PicturesOption,
    PolicyOption,
)
from host.cli.reading import caller, guess_language, invalid, read_code, read_files, read_inputs, read_limits
from host.cli.saving import Saver
from host.cli.session import session
from host.cli.showing import LiveOutput, show_result
from host.cli.terminal import complain, console, print_event, print_json, printable, waiting
from host.host import Host, build_host
from host.interface import DisplayEvent, OutputEvent
from host.logs import set_up_logs
from host.models import ExecutionRequest, ExecutionResult
from host.settings import Settings
from host.streams import FinishedEvent, StreamEvent

__all__ = ["run"]


def run(
    file: FileArgument = None,
    code: CodeOption = None,
    language: LanguageOption = None,
    inputs: Annotated[
        str | None, typer.Option("--inputs", "-i", help="Inputs as a JSON object, @file.json, or @- for stdin.")
    ] = None,
    policy: PolicyOption = None,
    adapter: Annotated[str | None, typer.Option("--adapter", help="Only this adapter may run it.")] = None,
    timeout_ms: Annotated[int | None, typer.Option("--timeout-ms", min=1, help="Wall-clock time, in ms.")] = None,
    limit: Annotated[
        list[str] | None, typer.Option("--limit", metavar="NAME=VALUE", help="Tighten one limit of the policy.")
    ] = None,
    input_file: Annotated[
        list[str] | None, typer.Option("--file", metavar="PATH[=NAME]", help="A file for the work folder.")
    ] = None,
    out: OutOption = None,
    pictures: PicturesOption = None,
    execution_id: Annotated[str | None, typer.Option("--id", help="An id of your own for the record.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show output as it comes; with --json, each event as a line.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Run a program behind the best wall that is ready.

    What it writes and shows comes as it happens. With --json the answer is the result alone; with --follow --json it is
    a line for each event, the last one the result.

    Exit codes: 0 it succeeded, 1 it failed, 2 bad usage, 3 denied, 4 a limit or a signal ended it, 5 nothing could run
    it, 6 the wall failed, 70 a fault of understudy, 130 cancelled.
    """
    text = read_code(file, code)
    language = language or _language_of(file)
    asked: dict[str, object] = {
        "code": text,
        "inputs": read_inputs(inputs, stdin_taken=file == "-"),
        "files": read_files(input_file or ()),
        "policy": policy,
        "limits": read_limits(limit or (), timeout_ms),
        "adapter": adapter,
        "actor": caller(),
        **({"id": execution_id} if execution_id is not None else {}),
    }
    settings = session().settings({"terminal.pictures": pictures})
    return asyncio.run(_run({**asked, "language": language}, settings, out, as_json=as_json, follow=follow))


def _language_of(file: str | None) -> str:
    """The language by the file's ending: of ours, or else of a plugin's, which takes longer to ask."""
    try:
        return guess_language(file, builtin.languages())
    except UsageError:
        disabled, use_entry_points = session().plugin_choice()
        plugins, _ = plugins_that_load(disabled, use_entry_points=use_entry_points)
        return guess_language(file, plugins.languages())


async def _run(asked: dict[str, object], settings: Settings, out: Path | None, *, as_json: bool, follow: bool) -> int:
    set_up_logs(settings.logs)
    with waiting("Starting", quiet=as_json) as ready:
        async with build_host(settings, only_language=str(asked["language"])) as host:
            ready()
            try:
                request = ExecutionRequest.model_validate(asked)
            except ValidationError as error:
                raise invalid(error, "the request") from None
            result = await _execute(host, request, as_json=as_json, follow=follow)
            if result is None:
                complain("Cancelled before the program was started.")
                return CANCELLED
            _answer(host, result, out, as_json=as_json, follow=follow)
            return exit_code_for_status(result.status)


async def _execute(host: Host, request: ExecutionRequest, *, as_json: bool, follow: bool) -> ExecutionResult | None:
    """The result; None where Ctrl-C came before the program was started."""
    with waiting("Running", quiet=as_json) as stop_waiting:
        live = LiveOutput(stop_waiting, host.settings.terminal.pictures)

        def show(each: StreamEvent) -> None:
            if as_json and follow:
                print_event(each.seq, each.name, json.loads(each.json()))
            elif not as_json and isinstance(each.event, OutputEvent | DisplayEvent):
                live(each.event)

        task = asyncio.ensure_future(_told(host, request, show))
        with _signals_cancel(host, request.id, task):
            try:
                result = await task
            except asyncio.CancelledError:
                return None
    if not as_json:
        live.finish(result)
    return result


async def _told(host: Host, request: ExecutionRequest, show: Callable[[StreamEvent], None]) -> ExecutionResult:
    """Show each event as it comes; the result at the end. Where showing fails, the program is stopped."""
    async with contextlib.aclosing(host.stream(request)) as events:
        async for each in events:
            show(each)
    assert isinstance(each.event, FinishedEvent)  # noqa: S101 - the last event is one
    return each.event.result


@contextlib.contextmanager
def _signals_cancel(host: Host, execution_id: str, task: "asyncio.Task[ExecutionResult]") -> Iterator[None]:
    """Ctrl-C and SIGTERM cancel the run; its result still comes once the program is dead, and is recorded."""
    loop = asyncio.get_running_loop()
    cancelling: set[asyncio.Task[None]] = set()

    async def cancel(because: str) -> None:
        if not await host.cancel(execution_id, because):
            task.cancel()

    def on_signal(name: str) -> None:
        cancelling.add(asyncio.ensure_future(cancel(f"{name} cancelled the run.")))

    names = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}
    for number, name in names.items():
        loop.add_signal_handler(number, on_signal, name)
    try:
        yield
    finally:
        for number in names:
            loop.remove_signal_handler(number)


def _answer(host: Host, result: ExecutionResult, out: Path | None, *, as_json: bool, follow: bool) -> None:
    saved = Saver(out).save(result) if out is not None or not as_json else []
    if as_json:
        if not follow:  # else it was the last event
            print_json(result.model_dump(mode="json"))
        return
    show_result(result, host.spoken_sentence(result), host.settings.adapters.prefer)
    for sentence in saved:
        console().print(printable(sentence))
