"""docs/policies.md says what the code says."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "policies.md"
SOURCES = sorted((Path(__file__).parents[2] / "policies").glob("*.py"))


def test_every_rule_is_on_the_page():
    """A rule that a risk can carry is explained; rules about files are explained by their own sentence."""
    rules = set()
    for source in SOURCES:
        if source.name != "requests.py":
            rules.update(re.findall(r'(?:mark\(|denied\(|rule=|Mark\()"([a-z]+(?:-[a-z]+)+)"', source.read_text()))
    assert len(rules) >= 9
    page = PAGE.read_text()
    own_words = {"syntax-error", "more-risks"}
    assert [rule for rule in sorted(rules - own_words) if f"`{rule}`" not in page] == []


@pytest.mark.parametrize("name", ["strict", "standard", "data", "trusted"])
def test_the_table_has_the_limits_of_the_files(named, name):
    """Times, memory, processes, output and work folder in the table are those of the shipped files."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.read_text().splitlines()]
    table = {row[0]: row for row in rows if len(row) == 5}
    column = [cell.strip("`") for cell in table[""]].index(name)
    policy = named[name]
    folder_size = policy.max_file_bytes >> 20
    folder = f"{folder_size >> 10} GiB" if folder_size >= 1024 else f"{folder_size} MiB"
    assert {row: table[row][column] for row in list(table)[2:] if row in EXPECTED} == {
        "wall-clock time": f"{policy.max_execution_time // 1000} s",
        "CPU time": f"{policy.max_cpu_time // 1000} s",
        "memory": f"{policy.max_memory_mb} MiB",
        "processes and threads": str(policy.max_processes),
        "output": f"{policy.max_output_bytes >> 20} MiB",
        "work folder": f"{folder}, {policy.max_files:,} files",
        "imports": "any" if policy.allowed_imports is None else ", ".join(policy.allowed_imports),
        "network": "yes" if policy.network_access else "no",
        "may leave this machine": "yes" if policy.may_leave_machine else "no",
    }


EXPECTED = {
    "wall-clock time",
    "CPU time",
    "memory",
    "processes and threads",
    "output",
    "work folder",
    "imports",
    "network",
    "may leave this machine",
}
