"""Logs: on stderr, in the form asked for, without secrets, and only once somebody sets them up."""

import json
import logging
import subprocess
import sys

import pytest
import structlog

from host.logs import set_up_logs
from host.settings import LogSettings


@pytest.fixture(autouse=True)
def _restored():
    """Logging as it was, for the tests that come after."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def lines(capsys) -> list[dict]:
    """What was logged as JSON; nothing may be on stdout."""
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_ours_and_theirs_take_one_road(capsys):
    """Messages of ours and of libraries that use logging come out alike, on stderr."""
    set_up_logs(LogSettings(level="info", format="json"))
    structlog.get_logger("understudy.test").info("ours", number=1)
    logging.getLogger("library").info("theirs %s", 2)
    ours, theirs = lines(capsys)
    assert (ours["event"], ours["logger"], ours["level"], ours["number"]) == ("ours", "understudy.test", "info", 1)
    assert (theirs["event"], theirs["logger"], theirs["level"]) == ("theirs 2", "library", "info")
    assert "timestamp" in ours


def test_secrets_are_masked(capsys):
    """Keys that name a secret, passwords in addresses and the secrets themselves stay in, exceptions included."""
    set_up_logs(LogSettings(level="info", format="json"), secrets=["hush-hush"])
    try:
        raise ValueError("hush-hush")
    except ValueError as error:
        structlog.get_logger("x").error(
            "hush-hush", exc_info=error, api_key="abc", url="postgresql://u:pw@h/d", parts=["hush-hush"]
        )
    captured = capsys.readouterr().err
    for secret in ("hush-hush", "abc", ":pw@"):
        assert secret not in captured
    assert "ValueError" in captured


@pytest.mark.parametrize(("serving", "heard"), [(True, ["info", "warning"]), (False, ["warning"])])
def test_the_level_follows_from_the_work(capsys, serving, heard):
    """Level auto is info for the service and warning for other commands."""
    set_up_logs(LogSettings(format="json"), serving=serving)
    log = structlog.get_logger("x")
    log.debug("a")
    log.info("b")
    log.warning("c")
    assert [line["level"] for line in lines(capsys)] == heard


def test_a_logger_made_early_obeys(capsys):
    """A logger that a module made at import time follows the set-up that comes later."""
    early = structlog.get_logger("early")
    set_up_logs(LogSettings(level="error", format="json"))
    early.info("no")
    early.error("yes")
    assert [line["event"] for line in lines(capsys)] == ["yes"]


def test_console_form_has_no_colours_in_a_file(capsys):
    """The console form is coloured on a terminal only."""
    set_up_logs(LogSettings(level="info", format="console"))
    structlog.get_logger("x").info("hello", name="Ada")
    captured = capsys.readouterr().err
    assert "hello" in captured
    assert "\x1b" not in captured


def test_no_import_sets_up_logs():
    """Importing the host leaves logging alone."""
    code = (
        "import logging, structlog, host.host\nassert not logging.root.handlers\nassert not structlog.is_configured()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
