"""Programs that show things beside their value."""

from collections.abc import Mapping
from typing import Any

from host.models import ExecutionResult, Status
from host.testing.program import Program

__all__ = ["PROGRAMS"]


def _shows(*expected: Mapping[str, str]) -> Any:
    """A look at what a result shows: exactly these, in this order."""

    def also(result: ExecutionResult) -> str | None:
        seen = [dict(display.data) for display in result.displays]
        return None if seen == [dict(each) for each in expected] else f"displays are {seen!r:.300}"

    return also


def _p(name: str, code: str, proves: str, **more: Any) -> Program:
    return Program(name=f"display-{name}", language=more.pop("language", "python"), code=code, proves=proves, **more)


PROGRAMS = (
    _p(
        "forms",
        "display('<b>', mime='text/html')\ndisplay(b'x', mime='image/png')\n"
        "display({'text/plain': 'p', 'text/html': '<p>'}, raw=True)\nresult = 1",
        "What is shown comes in order and in all its forms, and is not the value.",
        value=1,
        also=_shows({"text/html": "<b>"}, {"image/png": "eA=="}, {"text/html": "<p>", "text/plain": "p"}),
    ),
    _p(
        "object",
        "class Page:\n    def _repr_html_(self):\n        return '<i>'\n"
        "    def __repr__(self):\n        return 'page'\nPage()",
        "A last expression that can show itself is shown.",
        also=_shows({"text/html": "<i>", "text/plain": "page"}),
    ),
    _p(
        "failed",
        "display('before')\n1/0",
        "What was shown before a failure is kept.",
        status=(Status.FAILED,),
        also=_shows({"text/plain": "before"}),
    ),
    _p(
        "timed-out",
        "display('before')\nwhile True:\n    pass",
        "What was shown before a program was stopped is kept.",
        limits={"max_execution_time": 1500},
        needs=("max_execution_time",),
        status=(Status.TIMED_OUT,),
        also=_shows({"text/plain": "before"}),
    ),
    _p(
        "too-much",
        "display('x' * 100_000)",
        "A display over the limit of output is refused by name.",
        limits={"max_output_bytes": 20_000},
        needs=("max_output_bytes",),
        status=(Status.OUTPUT_LIMIT,),
        says=("max_output_bytes",),
        also=_shows(),
    ),
    _p(
        "forms",
        "display('<b>', { mime: 'text/html' }); display(new Uint8Array([120]), { mime: 'image/png' }); result = 1",
        "JavaScript shows text and bytes.",
        language="javascript",
        value=1,
        also=_shows({"text/html": "<b>"}, {"image/png": "eA=="}),
    ),
    _p(
        "forms",
        'display("<b>", "text/html"); display(<<120>>, "image/png"); 1',
        "Elixir shows text and bytes.",
        language="elixir",
        value=1,
        also=_shows({"text/html": "<b>"}, {"image/png": "eA=="}),
    ),
)
