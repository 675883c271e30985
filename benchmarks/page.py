"""The generated parts of ``docs/benchmarks.md``: each lies between two markers, and the rest is left as it is."""

import re
from pathlib import Path

__all__ = ["PAGE", "write"]

_DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = _DOCS / "benchmarks.md"


def write(part: str, text: str, page: Path = PAGE) -> None:
    """Put ``text`` between the markers of ``part``.

    Raises:
        ValueError: the page has no such markers.
    """
    begin, end = f"<!-- generated: {part} -->", f"<!-- end: {part} -->"
    between = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    whole = page.read_text(encoding="utf-8")
    if not between.search(whole):
        raise ValueError(f"{page} has no markers for {part}")
    page.write_text(between.sub(lambda _: f"{begin}\n\n{text}\n\n{end}", whole), encoding="utf-8")
