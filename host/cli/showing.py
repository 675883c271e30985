"""A result for people: what the program wrote, its typed value, who ran it and why, the sentence, the time."""

import pprint
import shutil
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from host.cli.terminal import EscapeStripper, console, joined, printable, write
from host.displays import TABLE, Display
from host.interface import DisplayEvent, OutputEvent
from host.models import ExecutionResult, Explanation, Risk, Status
from host.values import Image, Opaque, Table, type_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from host.cli.pictures import Protocol

__all__ = ["LiveOutput", "drawing", "show_result", "show_risks", "table", "value_text"]

_LONGEST_VALUE = 4000
_READABLE = ("text/plain", "text/markdown", "text/latex", "text/csv")


class LiveOutput:
    """An ``Emit`` that writes a program's output and what it shows as they come, without what steers a terminal.

    Args:
        before_first: called before anything is written.
        pictures: as the setting ``terminal.pictures``.
    """

    def __init__(self, before_first: "Callable[[], None]", pictures: str = "auto") -> None:
        self._before_first = before_first
        self._pictures = pictures
        self._displayed = 0
        self._strippers = {"stdout": EscapeStripper(), "stderr": EscapeStripper()}
        self._written = {"stdout": 0, "stderr": 0}
        self._at_line_start = {"stdout": True, "stderr": True}

    def __call__(self, event: OutputEvent | DisplayEvent) -> None:
        if isinstance(event, OutputEvent) and event.text:
            self._written[event.stream] += len(event.text)
            self._show(event.stream, self._strippers[event.stream].feed(event.text))
        elif isinstance(event, DisplayEvent):
            self._displayed += 1
            self._display(event.display)

    def finish(self, result: ExecutionResult) -> None:
        """Write what never came as an event, and end the last line."""
        for stream, text in (("stdout", result.stdout), ("stderr", result.stderr)):
            rest = self._strippers[stream].feed(text[self._written[stream] :])
            self._show(stream, rest + self._strippers[stream].flush())
            if not self._at_line_start[stream]:
                self._show(stream, "\n")
        for display in result.displays[self._displayed :]:
            self._display(display)

    def _display(self, display: Display) -> None:
        """The picture, where the terminal can; else the text, where there is one."""
        drawn = drawing(display, self._pictures)
        text = next((display.data[mime] for mime in _READABLE if mime in display.data), "")
        if (drawn or text) and not self._at_line_start["stdout"]:
            self._show("stdout", "\n")
        if drawn:
            self._show("stdout", drawn + "\n")
        elif text:
            self._show("stdout", printable(text).rstrip("\n") + "\n")

    def _show(self, stream: str, text: str) -> None:
        if text:
            self._before_first()
            write(sys.stdout if stream == "stdout" else sys.stderr, text)
            self._at_line_start[stream] = text.endswith("\n")


def drawing(display: Display, pictures: str) -> str | None:
    """What makes this terminal show the picture; None where it cannot, there is none, or it shall not.

    Args:
        display: what was shown.
        pictures: as the setting ``terminal.pictures``.
    """
    if "image/png" not in display.data or pictures == "never" or (pictures == "auto" and not sys.stdout.isatty()):
        return None
    from host.cli.pictures import picture_text, protocol_of
    from host.settings import terminal_variables

    protocol = protocol_of(terminal_variables()) if pictures == "auto" else cast("Protocol", pictures)
    return protocol and picture_text(display, protocol, shutil.get_terminal_size().columns)


def show_result(result: ExecutionResult, spoken: str | None, prefer: Iterable[str] = ()) -> None:
    """Everything about a result but its output, on stdout."""
    out = console()
    rows: list[tuple[str, str]] = []
    if result.status is Status.SUCCEEDED:
        rows.append(("value", f"{result.value_type}  {_told(result)}"))
    else:
        rows.append((result.status.value, result.reason))
    rows += [("message", result.message)] if result.message else []
    rows += [("adapter", _ran_by(result))] if result.adapter else []
    rows += [("passed over", sentence) for sentence in _passed_over(result, list(prefer))]
    rows += [("spoken", spoken)] if spoken else []
    rows.append(("time", _usage(result)))
    rows += [("truncated", "The output was cut at the policy's limit.")] if result.truncated else []
    rows.append(("id", result.id))
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        lines = printable(text).splitlines() or [""]
        out.print(f"{name:<{width}}  ", style="bold" if out.is_terminal else None, end="")
        out.print(("\n" + " " * (width + 2)).join(lines))
    show_risks(result.risks)


def show_risks(risks: Iterable[Risk]) -> None:
    """What validation found, a line each."""
    for risk in risks:
        place = f"line {risk.line}, column {risk.column}: " if risk.line else ""
        console().print(printable(f"{risk.severity.value}  {risk.rule}  {place}{joined(risk.message, risk.remedy)}"))


def value_text(value: Any) -> str:
    """A value as people read it. Its type is said elsewhere."""
    if isinstance(value, Table):
        header = [" | ".join(str(name) for name in value.columns)]
        text = "\n".join(header + [" | ".join(value_text(cell) for cell in row) for row in value.rows[:50]])
        text += f"\n... and {len(value) - 50} more rows" if len(value) > 50 else ""
    elif isinstance(value, Opaque):
        text = value.text
    elif isinstance(value, Image):
        text = f"{value.mime}, {len(value.data)} bytes"
    elif isinstance(value, str):
        text = repr(value) if "\n" in value or not value.strip() else value
    elif isinstance(value, dict | list | set | tuple):
        text = pprint.pformat(value, width=100, sort_dicts=False)
    elif value is None or isinstance(value, bool | bytes) or type_name(value) in ("int", "float", "complex"):
        text = repr(value)
    else:
        text = str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}... (--json shows all)"


def _told(result: ExecutionResult) -> str:
    """The value, unless it is a table that was shown last."""
    if isinstance(result.value, Table) and result.displays and TABLE in result.displays[-1].data:
        return f"{len(result.value)} rows, shown above"
    return value_text(result.value)


def table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """A table on stdout. No line is wrapped, so that other programs can read it by line."""
    out = console()
    lines = [columns, *(tuple(printable(cell).replace("\n", " ") for cell in row) for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    for number, line in enumerate(lines):
        text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        out.print(text, style="bold" if number == 0 and out.is_terminal else None)


def _ran_by(result: ExecutionResult) -> str:
    why = next((each.reason for each in result.explain if each.chosen), "")
    return f"{result.adapter} {result.adapter_version or ''} under policy {result.policy}. {why}".rstrip()


def _passed_over(result: ExecutionResult, prefer: list[str]) -> list[str]:
    """The adapters that come before the one that served, and why they did not."""
    place = prefer.index(result.adapter) if result.adapter in prefer else len(prefer)
    before = [each for each in result.explain if not each.chosen and each.adapter in prefer[:place]]
    return [_why_not(each) for each in before]


def _why_not(each: Explanation) -> str:
    return f"{each.adapter}: {joined(each.reason, each.remedy)}"


def _usage(result: ExecutionResult) -> str:
    usage = result.usage
    parts = [f"{usage.wall_ms:.1f} ms" if usage.wall_ms is not None else "nothing was run"]
    parts += [f"CPU {usage.cpu_ms:.1f} ms"] if usage.cpu_ms is not None else []
    parts += [f"memory {usage.peak_memory_bytes / 1_048_576:.1f} MiB"] if usage.peak_memory_bytes is not None else []
    return ", ".join(parts)
