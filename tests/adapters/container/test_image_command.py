"""`understudy image`, as people call it."""

import json

import pytest

from adapters.container.cli import app
from adapters.container.engine import connect
from adapters.container.settings import ContainerSettings


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, image_folder):
    """Calls the command with the images' own state folder; gives what typer's runner gives."""
    from typer.testing import CliRunner

    monkeypatch.setenv("UNDERSTUDY_STATE_DIR", str(image_folder))

    def run(*arguments: str):
        return CliRunner().invoke(app, list(arguments))

    return run


def test_a_dry_run_needs_no_engine(call, monkeypatch: pytest.MonkeyPatch):
    """The Dockerfile and the size of what would be sent are said without any engine."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    said = call("build", "--dry-run", "python")
    assert said.exit_code == 0, said.output
    assert "FROM scratch\nCOPY python/ /\nCOPY guest/ /\nLABEL " in said.stdout
    (told,) = json.loads(call("build", "--dry-run", "--json", "python").stdout)
    assert told["reference"].startswith("understudy-guest-python:")
    assert told["context_bytes"] > 10_000_000
    assert told["dockerfile"].endswith("CMD []\n")


def test_a_language_that_is_none(call):
    """A name that is no language is bad usage, and those that are languages are named."""
    said = call("build", "cobol")
    assert said.exit_code == 2
    assert "typescript" in said.stderr


def test_without_an_engine(call, monkeypatch: pytest.MonkeyPatch):
    """Where no engine answers, the command ends in our own error with the remedy."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    said = call("list")
    assert said.exit_code != 0
    assert "nowhere.sock" in str(said.exception)
    assert "systemctl start docker" in str(said.exception)


def test_building_and_listing(call, engine, images):
    """What is built is listed with its state, for people and as JSON."""
    said = call("build", "--json", "python")
    assert said.exit_code == 0, said.output
    (built,) = json.loads(said.stdout)
    assert (built["id"], built["state"]) == (images["python"].id, "current")
    listed = {(each["language"], each["state"]): each for each in json.loads(call("list", "--json").stdout)}
    assert listed["python", "current"]["reference"] == built["reference"]
    assert listed["sql", "current"]["packages"].keys() == {"duckdb"}
    table = call("list").stdout
    assert "current" in table
    assert built["id"].removeprefix("sha256:")[:12] in table


def test_pushing_nowhere(call, engine, images):
    """A name that can be none ends in the engine's own words."""
    said = call("push", "Not/A/Name", "python")
    assert said.exit_code != 0
    assert "lower case" in str(said.exception)


async def test_the_command_leaves_no_connection(engine):
    """A client that is closed has given back its connector."""
    docker = connect(ContainerSettings())
    await docker.version()
    await docker.close()
    assert docker.session.closed
    assert docker.connector.closed
