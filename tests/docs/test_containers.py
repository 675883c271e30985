"""docs/containers.md, followed step by step on a real engine; and its table of settings, held to the code."""

import os
import re

import pytest

from adapters.container.engine import connect, greet
from adapters.container.settings import ContainerSettings
from host.errors import AdapterError
from host.testing import missing
from tests.docs.follow import Reader, blocks, section

PAGE = "containers.md"


@pytest.fixture
async def reader(tmp_path):
    """Somebody who has an engine."""
    try:
        engine = connect(ContainerSettings())
        async with engine:
            await greet(engine)
    except AdapterError as error:
        missing(f'{error}; `eval "$(scripts/engine start)"` starts an engine')
    return Reader(tmp_path, {name: os.environ[name] for name in ("DOCKER_HOST",) if name in os.environ})


@pytest.mark.engine
@pytest.mark.timeout(600)
async def test_the_page_can_be_followed(reader):
    """Built, configured, looked at and run as the page says, a program runs in a container."""
    steps = section(PAGE, "Set it up")
    assert "docker.io" in steps
    build, doctor, run = re.findall(r"`\.venv/bin/(understudy [^`]+)`", steps)
    assert "python" in reader.does(build)
    (table,) = blocks(steps, "toml")
    reader.configure(table)
    assert "ok  container: " in reader.does(doctor)
    assert reader.computes(run) == 42
    listed = next(line for line in blocks(section(PAGE, "Images"))[0].splitlines() if "image list" in line)
    assert "python" in reader.does(listed)


def test_every_setting_is_in_the_table():
    """The table has each setting with the default that it has."""
    rows = re.findall(r"^\| (`[^|]+) \| ([^|]+) \|", section(PAGE, "Settings"), flags=re.M)
    told = {}
    for names, defaults in rows[1:]:  # below the head
        values = [each.strip(' "') for each in defaults.split(",")]
        told |= dict(zip(re.findall(r"`(\w+)`", names), values, strict=True))
    fields = {name: field.default for name, field in ContainerSettings.model_fields.items() if name != "enabled"}
    assert told == {name: str(default) for name, default in fields.items()}
