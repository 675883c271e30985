"""``understudy follow`` and ``understudy cancel``: executions of a service that runs."""

from typing import Annotated, Any

import typer

from host.cli.errors import CANCELLED, exit_code_for_status
from host.cli.options import JsonOption, OutOption
from host.cli.remote import Service, Told, UrlOption, result_of
from host.cli.saving import Saver
from host.cli.session import session
from host.cli.showing import LiveOutput, show_result
from host.cli.terminal import complain, console, print_event, print_json, printable, waiting
from host.interface import DisplayEvent, OutputEvent
from host.models import Display, ExecutionResult

__all__ = ["cancel", "follow"]

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The execution's id.")]


def follow(execution_id: IdArgument, out: OutOption = None, url: UrlOption = None, as_json: JsonOption = False) -> int:
    """Show what an execution of a service does, from its beginning until it has ended.

    With --json each event is a line. Ctrl-C ends following alone; the execution goes on. The exit code says how it
    ended, as that of run.
    """
    service = Service(url, session().settings())
    try:
        with waiting("Following", quiet=as_json) as stop_waiting:
            live = LiveOutput(stop_waiting, session().settings().terminal.pictures)
            result = _told(service, execution_id, None if as_json else live)
    except KeyboardInterrupt:
        complain(f"Not followed any more; to stop it: understudy cancel {execution_id}")
        return CANCELLED
    saved = Saver(out).save(result) if out is not None or not as_json else []
    if not as_json:
        show_result(result, None)
        for sentence in saved:
            console().print(printable(sentence))
    return exit_code_for_status(result.status)


def _told(service: Service, execution_id: str, live: LiveOutput | None) -> ExecutionResult:
    """Show each event as it comes; the result at the end."""
    for told in service.follow(execution_id):
        if live is None:
            print_event(*told)
        elif told.name == "display":
            live(DisplayEvent(Display.model_validate(told.data)))
        elif told.name in ("stdout", "stderr"):
            live(_output(told))
        if told.name == "result":
            break
    result = result_of(told.data)
    if live is not None:
        live.finish(result)
    return result


def _output(told: Told) -> OutputEvent:
    return OutputEvent("stdout" if told.name == "stdout" else "stderr", told.data["text"])


def cancel(execution_id: IdArgument, url: UrlOption = None, as_json: JsonOption = False) -> int:
    """Stop an execution of a service. When this answers its program is dead, and recorded."""
    record: dict[str, Any] = Service(url, session().settings()).cancel(execution_id)
    if as_json:
        print_json(record)
    else:
        console().print(printable(f"{record['status']}  {record['reason']}"))
    return 0
