"""What docs/aws.md says of Bedrock AgentCore is so: settings, the IAM policy, and the table of faults."""

import json
import re
from pathlib import Path

from adapters.aws.remedies import policy
from adapters.bedrock.settings import BedrockSettings
from tests.adapters.bedrock.test_faults import ROWS

_DOCS = Path(__file__).resolve().parents[3] / "docs"


def text():
    """The section on Bedrock AgentCore."""
    files = [path.read_text(encoding="utf-8") for path in sorted(_DOCS.glob("aws*.md"))]
    parts = [part for whole in files for part in re.split(r"^## ", whole, flags=re.M)]
    return next(part for part in parts if part.startswith("Bedrock AgentCore"))


def test_every_setting_is_explained_with_its_default():
    """The table of settings has each of them, with the default that it has."""
    table = text().partition("### Settings")[2].partition("###")[0]
    rows = re.findall(r"^\| (`[^|]+) \| ([^|]+) \|", table, flags=re.M)
    documented = {name: default.strip('`" ') for names, default in rows for name in re.findall(r"`(\w+)`", names)}
    fields = {name: field.default for name, field in BedrockSettings.model_fields.items() if name != "enabled"}
    assert set(documented) == set(fields)
    for name, default in fields.items():
        if isinstance(default, bool):
            assert documented[name] == str(default).lower()
        elif isinstance(default, int | float):
            assert float(documented[name]) == default
        elif isinstance(default, str):
            assert documented[name] == default


def test_the_policy_to_paste_is_ours():
    """The IAM policy is the one that checks show."""
    assert json.loads(re.search(r"```json\n(.*?)```", text(), flags=re.S)[1]) == policy("bedrock")


def test_the_table_of_faults_is_what_the_tests_found():
    """Each fault stands there with what comes of it."""
    told = {
        cells[0]: (cells[2] == "yes", cells[3] == "may have")
        for line in text().partition("### When something fails")[2].splitlines()
        if len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 4
    }
    assert {row.fault: (row.retryable, row.may_have_started) for row in ROWS}.items() <= told.items()
