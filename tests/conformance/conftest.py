"""Shows how many cases each adapter declined: a refusal is no failure, but nobody should overlook them."""

from collections import Counter

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for each adapter that declined something."""
    declined = Counter(
        report.nodeid.split("::")[1]
        for report in terminalreporter.getreports("passed")
        if report.when == "call" and "refused" in dict(report.user_properties)
    )
    for suite, count in sorted(declined.items()):
        terminalreporter.write_line(f"{suite}: {count} programs declined before anything ran")
