"""docs/streaming.md tells the truth: its example runs as it stands, and its table names every event."""

import asyncio
import contextlib
import io
import re
from pathlib import Path
from typing import get_type_hints

from host import StreamEvent

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "streaming.md").read_text(encoding="utf-8")


def test_the_example_runs_as_it_stands(monkeypatch):
    """The program on the page shows the output and then the status."""
    monkeypatch.setenv("UNDERSTUDY_ADAPTERS__SANDBOX__ENABLED", "no")  # any adapter will do
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    body = "".join(f"    {line}" for line in example.splitlines(keepends=True))
    names = {}
    exec(compile(f"async def main():\n{body}", "docs/streaming.md", "exec"), names)
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        asyncio.run(names["main"]())
    assert shown.getvalue() == "hello\nsucceeded\n"


def test_every_event_is_in_the_table():
    """The table has a row for each name that an event can have, and no other."""
    rows = re.findall(r"^\| (`[^|]*`) \|", PAGE, re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert told == set(get_type_hints(StreamEvent.name.fget)["return"].__args__)
