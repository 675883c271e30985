"""``understudy history`` and ``understudy show``: what the store remembers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import typer

from host.cli.options import JsonOption, OutOption, PicturesOption
from host.cli.saving import Saver
from host.cli.session import session
from host.cli.showing import LiveOutput, show_result, table
from host.cli.terminal import console, print_json, printable, waiting
from host.cli.views import record_view
from host.interface import DisplayEvent
from host.logs import set_up_logs
from host.models import Status
from host.store import open_store
from host.store.interface import Page, Record, Store

__all__ = ["history", "show"]


def history(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="How many.")] = 20,
    status: Annotated[Status | None, typer.Option("--status", help="Only those that ended so.")] = None,
    language: Annotated[str | None, typer.Option("--language", "-l", help="Only this language.")] = None,
    adapter: Annotated[str | None, typer.Option("--adapter", help="Only this adapter.")] = None,
    actor: Annotated[str | None, typer.Option("--actor", help="Only what this actor asked for.")] = None,
    of_session: Annotated[str | None, typer.Option("--session", help="Only the commands of this session.")] = None,
    before: Annotated[str | None, typer.Option("--before", help="Go on from the `next` of an earlier page.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List executions, newest first."""

    async def ask() -> Page:
        async with _store(quiet=as_json) as store:
            return await store.list(
                limit=limit,
                before=before,
                status=status,
                language=language,
                adapter=adapter,
                actor=actor,
                session=of_session,
            )

    page = asyncio.run(ask())
    if as_json:
        executions = [summary.model_dump(mode="json") for summary in page.executions]
        print_json({"executions": executions, "next": page.next})
        return
    columns = ("ID", "WHEN", "STATUS", "LANGUAGE", "POLICY", "ADAPTER", "MS")
    table(
        columns,
        (
            (
                each.id,
                each.created_at.isoformat(sep=" ", timespec="seconds"),
                each.status.value if each.status else "running",
                each.language,
                each.policy,
                each.adapter or "",
                f"{each.usage.wall_ms:.1f}" if each.usage.wall_ms is not None else "",
            )
            for each in page.executions
        ),
    )
    if page.next:
        console().print(printable(f"More: understudy history --before {page.next}"))


def show(
    execution_id: Annotated[str, typer.Argument(metavar="ID", help="The execution's id.")],
    out: OutOption = None,
    pictures: PicturesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the record of one execution, with its files and displays where they were kept."""
    how = session().settings({"terminal.pictures": pictures}).terminal.pictures

    async def ask() -> Record:
        async with _store(quiet=as_json) as store:
            return await store.get(execution_id)

    record = asyncio.run(ask())
    save = record.result is not None and (out is not None or not as_json)
    saved = Saver(out).save(record.result) if save and record.result else []
    if as_json:
        print_json(record_view(record))
        return
    _show(record_view(record), record, how)
    for sentence in saved:
        console().print(printable(sentence))


def _show(view: dict[str, Any], record: Record, pictures: str) -> None:
    out = console()
    for name, text in (("code", record.code), ("stdout", view.get("stdout")), ("stderr", view.get("stderr"))):
        if text:
            out.print(f"--- {name}")
            out.print(printable(text.rstrip("\n")))
    live = LiveOutput(lambda: None, pictures)
    for display in record.result.displays if record.result is not None else ():
        out.print("--- display")
        live(DisplayEvent(display))
    out.print("---")
    if record.result is not None:
        show_result(record.result, None)
    else:
        out.print(f"running since {record.summary.created_at.isoformat()} on {record.owner}")
    for name, text in view["provenance"].items():
        out.print(printable(f"{name}  {text}"))


@asynccontextmanager
async def _store(*, quiet: bool) -> AsyncIterator[Store]:
    settings = session().settings()
    set_up_logs(settings.logs)
    with waiting("Reading the store", quiet=quiet):
        store = await open_store(
            settings.store.url, state_dir=settings.state_dir, retain_days=settings.store.retain_days
        )
        try:
            yield store
        finally:
            await store.aclose()
