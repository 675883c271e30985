"""``understudy session``: interpreters that a running service keeps alive."""

import json
from typing import Annotated, Any
from urllib.parse import quote

import typer
from pydantic import ValidationError

from host.cli.errors import exit_code_for_status
from host.cli.options import CodeOption, FileArgument, JsonOption, OutOption, PolicyOption
from host.cli.reading import caller, invalid, read_code, read_files, read_inputs, read_limits
from host.cli.remote import Service, UrlOption, result_of
from host.cli.saving import Saver
from host.cli.session import session
from host.cli.showing import LiveOutput, show_result, table
from host.cli.terminal import console, print_json, printable, waiting
from host.models import ExecutionRequest
from host.sessions import SessionInfo

__all__ = ["app"]

_PATIENCE_S = 3600.0
"""How long a command may wait for its turn and run; the service's own limits are far below."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Interpreters that a running service keeps alive between commands. `understudy repl` needs no service.",
)

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The session's id.")]
IdleOption = Annotated[int | None, typer.Option("--idle-ms", min=1, help="How long it may stand idle, in ms.")]
LifetimeOption = Annotated[int | None, typer.Option("--lifetime-ms", min=1, help="How long it may live, in ms.")]
TimeoutOption = Annotated[int | None, typer.Option("--timeout-ms", min=1, help="Time of each command, in ms.")]
LimitOption = Annotated[
    list[str] | None, typer.Option("--limit", metavar="NAME=VALUE", help="Tighten one limit of the policy.")
]


@app.command("open")
def open_session(
    language: Annotated[str, typer.Option("--language", "-l", help="What its commands are written in.")] = "python",
    policy: PolicyOption = None,
    adapter: Annotated[str | None, typer.Option("--adapter", help="Only this adapter may keep it.")] = None,
    timeout_ms: TimeoutOption = None,
    limit: LimitOption = None,
    idle_ms: IdleOption = None,
    lifetime_ms: LifetimeOption = None,
    session_id: Annotated[str | None, typer.Option("--id", help="An id of your own.")] = None,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Open a session and show it; its id comes first."""
    asked = {
        "language": language,
        "policy": policy,
        "adapter": adapter,
        "limits": read_limits(limit or (), timeout_ms).model_dump(mode="json", exclude_unset=True),
        "idle_ms": idle_ms,
        "lifetime_ms": lifetime_ms,
        "actor": caller().model_dump(),
    }
    if session_id is not None:
        asked["id"] = session_id
    _show(_service(url).ask("POST", "/v1/sessions", asked), as_json=as_json)


@app.command("list")
def list_sessions(url: UrlOption = None, as_json: JsonOption = False) -> None:
    """List the sessions that live in the service, oldest first."""
    found = _service(url).ask("GET", "/v1/sessions")
    if as_json:
        print_json(found)
        return
    sessions = [_info(each) for each in found["sessions"]]
    columns = ("ID", "STATE", "LANGUAGE", "POLICY", "ADAPTER", "COMMANDS", "ENDS")
    rows = (
        (
            *(each.id, each.state, each.language, each.policy, each.adapter, str(each.used.commands)),
            f"{each.expires_at:%Y-%m-%d %H:%M:%S}",
        )
        for each in sessions
    )
    table(columns, rows)


@app.command("show")
def show_session(session_id: IdArgument, url: UrlOption = None, as_json: JsonOption = False) -> None:
    """Show one session."""
    _show(_service(url).ask("GET", _path(session_id)), as_json=as_json)


@app.command("renew")
def renew_session(
    session_id: IdArgument,
    idle_ms: IdleOption = None,
    lifetime_ms: LifetimeOption = None,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Begin a new idle period; the lifetime counts from when it was opened."""
    body = {"idle_ms": idle_ms, "lifetime_ms": lifetime_ms}
    _show(_service(url).ask("POST", f"{_path(session_id)}/renew", body), as_json=as_json)


@app.command("end")
def end_session(session_id: IdArgument, url: UrlOption = None, as_json: JsonOption = False) -> None:
    """End a session: what runs in it is cancelled. One that has ended already stays as it is."""
    _show(_service(url).ask("DELETE", _path(session_id)), as_json=as_json)


@app.command("run")
def run_command(
    session_id: IdArgument,
    file: FileArgument = None,
    code: CodeOption = None,
    inputs: Annotated[
        str | None, typer.Option("--inputs", "-i", help="Inputs as a JSON object, @file.json, or @- for stdin.")
    ] = None,
    input_file: Annotated[
        list[str] | None, typer.Option("--file", metavar="PATH[=NAME]", help="A file for the work folder.")
    ] = None,
    timeout_ms: TimeoutOption = None,
    limit: LimitOption = None,
    out: OutOption = None,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> int:
    """Run a command in a session. The exit code says how it ended, as that of run; Ctrl-C cancels it."""
    asked = {
        "code": read_code(file, code),
        "session": session_id,
        "inputs": read_inputs(inputs, stdin_taken=file == "-"),
        "files": read_files(input_file or ()),
        "limits": read_limits(limit or (), timeout_ms),
        "actor": caller(),
    }
    try:
        body = ExecutionRequest.model_validate(asked).model_dump(mode="json", exclude_unset=True)
    except ValidationError as error:
        raise invalid(error, "the request") from None
    with waiting("Running", quiet=as_json):
        found = _service(url).ask("POST", "/v1/executions", body, patience_s=_PATIENCE_S)
    result = result_of(found)
    saved = Saver(out).save(result) if out is not None or not as_json else []
    if as_json:
        print_json(found)
    else:
        LiveOutput(lambda: None, session().settings().terminal.pictures).finish(result)
        show_result(result, None)
        for sentence in saved:
            console().print(printable(sentence))
    return exit_code_for_status(result.status)


def _service(url: str | None) -> Service:
    return Service(url, session().settings())


def _path(session_id: str) -> str:
    return f"/v1/sessions/{quote(session_id, safe='')}"


def _info(found: dict[str, Any]) -> SessionInfo:
    return SessionInfo.model_validate_json(json.dumps(found))


def _show(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    info = _info(found)
    used, allowed = info.used, info.allowed
    rows = [
        ("id", info.id),
        ("state", f"{info.state}, {info.queued} waiting" if info.queued else info.state),
        ("language", f"{info.language} under policy {info.policy} on {info.adapter} {info.adapter_version}"),
        ("opened", f"{info.created_at:%Y-%m-%d %H:%M:%S} UTC" + (f" by {info.actor.id}" if info.actor else "")),
        ("commands", f"{used.commands} of {allowed.commands}"),
        ("time", f"{used.wall_ms:.0f} of {allowed.wall_ms:.0f} ms, CPU {used.cpu_ms:.0f} of {allowed.cpu_ms:.0f} ms"),
        ("output", f"{used.output_bytes} of {allowed.output_bytes} bytes"),
    ]
    if info.expires_at is not None:
        rows.append(("ends", f"{info.expires_at:%Y-%m-%d %H:%M:%S} UTC, if nothing more is run"))
    if info.ended_at is not None:
        rows.append(("ended", f"{info.ended_at:%Y-%m-%d %H:%M:%S} UTC, {info.ended_by}. {info.reason}"))
    for name, text in rows:
        console().print(printable(f"{name:<8}  {text}"))
