"""`understudy session`: interpreters of a running service, used from the command line."""

import json
import signal
import subprocess

import pytest

KEY = "a-key-of-the-test"


@pytest.fixture
def service(command, scrubbed, live, tmp_path):
    """The environment of the commands, and beside it a service that keeps sessions and wants a key."""
    environment = {**scrubbed, **live, "UNDERSTUDY_SERVER__API_KEYS": KEY}
    process = subprocess.Popen(
        [*command, "serve", "--port", "0", "--json"],
        env={**environment, "UNDERSTUDY_STATE_DIR": str(tmp_path / "service")},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    url = json.loads(process.stdout.readline())["url"]
    yield {**live, "UNDERSTUDY_SERVER__PORT": url.rpartition(":")[2], "UNDERSTUDY_SERVER__API_KEYS": KEY}
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)


def test_a_session_from_the_command_line(here, service):
    """Opened, listed, used with inputs and files, shown, renewed and ended; each in words and as JSON."""
    asked = ("--policy", "standard", "--limit", "max_memory_mb=64", "--idle-ms", "60000", "--id", "mine")
    opened = here("session", "open", *asked, "--json", **service).json
    assert (opened["id"], opened["policy"], opened["idle_ms"], opened["actor"]["type"]) == (
        *("mine", "standard", 60_000),
        "cli",
    )
    call = here("session", "run", "mine", "-c", "x = n + 1; print('at work')", "--inputs", '{"n": 41}', **service)
    assert (call.code, call.out.splitlines()[0]) == (0, "at work")
    result = here("session", "run", "mine", "-", "--json", stdin="x", **service).json
    assert (result["value"], result["session"]) == (42, "mine")
    listed = here("session", "list", **service).out.splitlines()
    assert listed[0].split()[:2] == ["ID", "STATE"]
    assert listed[1].split()[:6] == ["mine", "idle", "python", "standard", "live", "2"]
    assert [each["id"] for each in here("session", "list", "--json", **service).json["sessions"]] == ["mine"]
    assert "2 of " in here("session", "show", "mine", **service).out
    renewed = here("session", "renew", "mine", "--idle-ms", "90000", "--json", **service).json
    assert renewed["idle_ms"] == 90_000
    ended = here("session", "end", "mine", **service)
    assert "caller" in ended.out
    assert here("session", "end", "mine", "--json", **service).json["ended_by"] == "caller"
    assert here("session", "list", "--json", **service).json == {"sessions": []}


def test_how_a_command_ended_is_the_exit_code(here, service):
    """A command that failed ends with 1, one that ran out of time with 4; then the session is lost, by type."""
    name = here("session", "open", "--timeout-ms", "1000", "--json", **service).json["id"]
    failed = here("session", "run", name, "-c", "1 / 0", **service)
    assert (failed.code, "ZeroDivisionError" in failed.out) == (1, True)
    assert here("session", "run", name, "-c", "while True: pass", **service).code == 4
    lost = here("session", "run", name, "-c", "1", "--json", **service)
    assert (lost.code, json.loads(lost.err)["type"]) == (2, "session-lost")


@pytest.mark.parametrize(
    "arguments", [["list"], ["open"], ["show", "s"], ["renew", "s"], ["end", "s"], ["run", "s", "-c", "1"]]
)
def test_where_no_service_runs_it_is_said(here, arguments):
    """Without a service each command ends with 2, a sentence and the remedy."""
    call = here("session", *arguments, UNDERSTUDY_SERVER__PORT="1")
    assert (call.code, call.out) == (2, "")
    assert "understudy serve" in call.err


def test_a_wrong_key_and_an_unknown_session_are_said(here, service):
    """What the service refuses comes with its own type and remedy."""
    unknown = here("session", "show", "nobody", "--json", **service)
    assert (unknown.code, json.loads(unknown.err)["type"]) == (2, "unknown-session")
    wrong = here("session", "list", "--json", **{**service, "UNDERSTUDY_SERVER__API_KEYS": "another"})
    assert (wrong.code, json.loads(wrong.err)["type"]) == (2, "unauthorized")
