"""The table of docs/adapters.md that says what each adapter enforces is what the adapters themselves say.

That they hold what they say, each field is tried by the conformance suite. As a program this file writes the table:
``.venv/bin/python -m tests.docs.test_matrix``; it needs a container engine for its column.
"""

import importlib
import re
import sys
from pathlib import Path

import pytest

from host.interface import Capabilities
from host.plugins import load_plugins
from host.policy import ENFORCED_FIELDS, Enforcement
from host.testing import AdapterConformance, missing
from host.testing.cases import learn

_ROOT = Path(__file__).parents[2]
_PAGE = _ROOT / "docs" / "adapters.md"
_BEGIN, _END = "<!-- matrix -->\n", "<!-- end of matrix -->\n"
_BY_WATCH = ("max_memory_mb", "max_cpu_time", "max_processes")
"""What the local wall holds by its watch, at level guest, where the host may make no control groups."""

_HERE = ("sandbox", "monty", "placeholder")
ADAPTERS = [spec.name for spec in load_plugins().adapters()]


def claims_of(name: str) -> Capabilities | None:
    """What an adapter says of itself once it is started; None where that cannot be here."""
    tests = _ROOT / "tests"
    for path in (tests / "conformance" / "test_adapters.py", *tests.glob("adapters/*/test_conformance.py")):
        module = importlib.import_module(".".join(path.relative_to(_ROOT).with_suffix("").parts))
        suites = [each for each in vars(module).values() if isinstance(each, type) and each.__name__.startswith("Test")]
        for suite in suites:
            if issubclass(suite, AdapterConformance) and suite.make_adapter().name == name:
                return learn(suite)
    return None


def table(claims: dict[str, Capabilities]) -> str:
    """The table in Markdown: a row for each policy field, a column for each adapter."""
    lines = [f"| policy field | {' | '.join(claims)} |", f"|---|{'---|' * len(claims)}"]
    for field in ENFORCED_FIELDS:
        levels = " | ".join(str(each.enforcement.get(field, Enforcement.NONE)) for each in claims.values())
        lines.append(f"| `{field}` | {levels} |")
    return "\n".join(lines) + "\n"


def documented() -> dict[str, dict[str, str]]:
    """The table as it stands: levels by field, by adapter."""
    text = _PAGE.read_text(encoding="utf-8").partition(_BEGIN)[2].partition(_END)[0]
    head, _, *rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in text.strip().splitlines()]
    return {name: {row[0]: row[column] for row in rows} for column, name in enumerate(head) if column}


def test_every_adapter_and_every_field_is_there() -> None:
    """The table has a column for each adapter of ours, and a row for each field that is enforced."""
    found = documented()
    assert list(found) == ADAPTERS
    assert all(list(rows) == list(ENFORCED_FIELDS) for rows in found.values())


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in _HERE else pytest.mark.engine) for name in ADAPTERS]
)
def test_the_table_says_what_the_adapter_says(name) -> None:
    """An adapter's column is what it states when it is started."""
    claims = claims_of(name)
    if claims is None:
        missing(f"the adapter {name} cannot be started here")
    stated = {field: str(claims.enforcement.get(field, Enforcement.NONE)) for field in ENFORCED_FIELDS}
    if name == "sandbox":  # the page has it as it is where the host may make control groups
        stated |= {field: "wall" for field in _BY_WATCH if stated[field] == "guest"}
    assert stated == documented()[name]


def _write() -> None:
    claims = {name: each for name in ADAPTERS if (each := claims_of(name)) is not None}
    if absent := sorted(set(ADAPTERS) - set(claims)):
        sys.exit(f"these cannot be started here: {', '.join(absent)}")
    whole = claims["sandbox"].enforcement
    held = {**whole, **dict.fromkeys(_BY_WATCH, Enforcement.WALL)}
    claims["sandbox"] = claims["sandbox"].model_copy(update={"enforcement": held})
    page = _PAGE.read_text(encoding="utf-8")
    _PAGE.write_text(re.sub(f"{_BEGIN}.*{_END}", f"{_BEGIN}{table(claims)}{_END}", page, flags=re.DOTALL))


if __name__ == "__main__":
    _write()
