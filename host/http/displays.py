"""``/v1/executions/{id}/displays/{n}``: one thing that a program showed, as a file of its own type.

Whatever it is, a program made it: it may be a page with scripts. So it is served without any right to run, load or
reach something (Content-Security-Policy), under no other type than those that are known to be harmless then, and never
guessed at. What a browser would show as a page is a download, unless the caller asks otherwise.
"""

from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from host.displays import MAX_DISPLAYS, Display, file_ending, is_text
from host.http.problems import UnknownDisplay, responses
from host.http.views import TheHost
from host.store.interface import Record

__all__ = ["router"]

router = APIRouter(tags=["executions"])
_ID = Annotated[str, Path(description="the id of an execution", max_length=128)]
_Number = Annotated[int, Path(description="which one: the first is 0, as in `displays`", ge=0, lt=MAX_DISPLAYS)]

_SHOWN = frozenset({"image/gif", "image/jpeg", "image/png", "image/webp", "text/csv", "text/markdown", "text/plain"})
"""Types that a browser may show as they are: none of them can do anything."""

_MARKUP = frozenset({"image/svg+xml", "text/html"})
"""Types that are pages. In place of a picture (``<img>``) a browser takes SVG all the same."""

_HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


@router.get(
    "/v1/executions/{execution_id}/displays/{number}",
    operation_id="display",
    summary="Get what a program showed",
    response_class=Response,
    responses={
        **responses(404, 422, 503),
        200: {
            "description": "One form of it. HTML and SVG come as downloads, unless `inline` asks otherwise.",
            "content": {"*/*": {"schema": {}}},
        },
    },
)
async def display(
    request: Request,
    host: TheHost,
    execution_id: _ID,
    number: _Number,
    mime: Annotated[
        str | None, Query(description="the MIME type of the form; else what Accept prefers, else the richest")
    ] = None,
    inline: Annotated[bool, Query(description="let a browser show HTML or SVG as a page, without scripts")] = False,  # noqa: FBT002
) -> Response:
    """One thing that a program showed, as its `displays` list it, in one of its forms."""
    shown = _find(await host.store.get(execution_id), execution_id, number)
    form = mime.lower() if mime is not None else _preferred(shown, request.headers.getlist("accept"))
    if form not in shown.data:
        message = f"display {number} of {execution_id!r} has no form {form[:80]!r}."
        raise UnknownDisplay(message, remedy=f"It has {', '.join(shown.data)}.")
    how = "inline" if form in _SHOWN or _is_json(form) or (form in _MARKUP and inline) else "attachment"
    named = {"Content-Disposition": f'{how}; filename="display-{number}.{file_ending(form)}"'}
    return Response(shown.content(form), media_type=_media_type(form), headers=_HEADERS | named)


def _find(record: Record, execution_id: str, number: int) -> Display:
    """The display.

    Raises:
        UnknownDisplay: there is none; the message says why.
    """
    if record.result is None:
        raise UnknownDisplay(f"execution {execution_id!r} has not ended.", remedy="Follow it with its events.")
    if not record.summary.outputs_kept:
        policy = record.summary.policy
        raise UnknownDisplay(f"the record of {execution_id!r} has no outputs.", remedy=f"Policy {policy} says so.")
    try:
        return record.result.displays[number]
    except IndexError:
        count = len(record.result.displays)
        raise UnknownDisplay(f"execution {execution_id!r} showed {count} things.", remedy="The first is 0.") from None


def _preferred(shown: Display, accept: Iterable[str]) -> str:
    """The form that the caller likes best; of those that it likes equally, the richest."""
    ranges = [_range(part) for header in accept for part in header.split(",")]

    def liking(form: str) -> tuple[float, int]:
        names = (form, form.partition("/")[0] + "/*", "*/*")
        fitting = [(len(name), quality) for name, quality in ranges if name in names]  # the longest is the most exact
        return max(fitting, default=(0, 0.0))[1], -list(shown.data).index(form)

    return max(shown.data, key=liking)


def _range(text: str) -> tuple[str, float]:
    """A media range and its quality. What cannot be read counts as refused: somebody else's mistake stops nobody."""
    name, *parameters = (part.strip().lower() for part in text.split(";"))
    try:
        return name, next((float(each[2:]) for each in parameters if each.startswith("q=")), 1.0)
    except ValueError:
        return name, 0.0


def _is_json(form: str) -> bool:
    return form == "application/json" or form.endswith("+json")


def _media_type(form: str) -> str:
    if form not in _SHOWN | _MARKUP and not _is_json(form):
        return "application/octet-stream"
    return f"{form}; charset=utf-8" if is_text(form) else form
