"""Events: through logging in somebody's program, never on its stdout; through structlog where that is set up."""

import logging
import subprocess
import sys

import structlog

from host.events import get_logger


def test_events_of_a_library_go_to_logging(caplog):
    """Where nobody has set structlog up, an event is a record of logging with its facts and its exception."""
    structlog.reset_defaults()
    with caplog.at_level(logging.INFO, "understudy.test"):
        get_logger("understudy.test").info("switched", after="sandbox")
        get_logger("understudy.test").error("failed", exc_info=ValueError("no"))
    assert caplog.records[0].getMessage() == "event='switched' after='sandbox'"
    assert "ValueError: no" in caplog.records[1].getMessage()


def test_a_callers_stdout_stays_its_own():
    """A program that uses the host as a library sees nothing of ours on stdout, and no info on stderr."""
    program = "from host.events import get_logger; get_logger('x').info('switched'); get_logger('x').warning('odd')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "event='odd'\n")


def test_where_structlog_is_set_up_events_go_its_way():
    """A process that has set structlog up gets the events there."""
    with structlog.testing.capture_logs() as seen:
        structlog.configure()
        get_logger("understudy.test").warning("odd", count=2)
    structlog.reset_defaults()
    assert seen == [{"event": "odd", "count": 2, "log_level": "warning"}]
