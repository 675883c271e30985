"""A result for people: what the program wrote, its typed value, who ran it and why, the sentence, the time."""

import pprint
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host.cli.terminal import EscapeStripper, console, joined, printable, write
from host.interface import DisplayEvent, OutputEvent
from host.models import ExecutionResult, Explanation, Risk, Status
from host.values import Image, Opaque, Table, type_name

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LiveOutput", "save_files", "show_result", "show_risks", "table", "value_text"]

_LONGEST_VALUE = 4000


class LiveOutput:
    """An ``Emit`` that writes a program's output as it comes, without what steers a terminal."""

    def __init__(self, before_first: "Callable[[], None]") -> None:
        self._before_first = before_first
        self._strippers = {"stdout": EscapeStripper(), "stderr": EscapeStripper()}
        self._written = {"stdout": 0, "stderr": 0}
        self._at_line_start = {"stdout": True, "stderr": True}

    def __call__(self, event: OutputEvent | DisplayEvent) -> None:
        if isinstance(event, OutputEvent) and event.text:
            self._written[event.stream] += len(event.text)
            self._show(event.stream, self._strippers[event.stream].feed(event.text))

    def finish(self, result: ExecutionResult) -> None:
        """Write what never came as an event, and end the last line."""
        for stream, text in (("stdout", result.stdout), ("stderr", result.stderr)):
            rest = self._strippers[stream].feed(text[self._written[stream] :])
            self._show(stream, rest + self._strippers[stream].flush())
            if not self._at_line_start[stream]:
                self._show(stream, "\n")

    def _show(self, stream: str, text: str) -> None:
        if text:
            self._before_first()
            write(sys.stdout if stream == "stdout" else sys.stderr, text)
            self._at_line_start[stream] = text.endswith("\n")


def show_result(result: ExecutionResult, spoken: str | None, prefer: Iterable[str] = ()) -> None:
    """Everything about a result but its output, on stdout."""
    out = console()
    rows: list[tuple[str, str]] = []
    if result.status is Status.SUCCEEDED:
        rows.append(("value", f"{result.value_type}  {value_text(result.value)}"))
    else:
        rows.append((result.status.value, result.reason))
    rows += [("message", result.message)] if result.message else []
    rows += [("adapter", _ran_by(result))] if result.adapter else []
    rows += [("passed over", sentence) for sentence in _passed_over(result, list(prefer))]
    rows += [("spoken", spoken)] if spoken else []
    rows.append(("time", _usage(result)))
    rows += [("displayed", f"{each.title} ({', '.join(each.data)})".strip()) for each in result.displays]
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


def save_files(result: ExecutionResult, folder: Path | None) -> list[str]:
    """Write the files that came out below ``folder``; a sentence for each.

    A link that stands in the folder is replaced, not followed: a program's file names reach no other place.
    """
    if folder is None:
        return [f"{file.path}: {len(file.content)} bytes, not saved; --out DIR saves it." for file in result.files]
    told = []
    for file in result.files:
        path = folder.joinpath(*file.path.split("/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.parent.resolve().is_relative_to(folder.resolve()):
            told.append(f"{file.path}: not saved; a link leads out of {folder}.")
            continue
        path.unlink(missing_ok=True)
        path.write_bytes(file.content)
        told.append(f"{path}: {len(file.content)} bytes.")
    return told


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
