"""The loggers of the product: structlog events that never reach a caller's stdout.

Where the process has set structlog up (our own commands and the service do, with ``host.logs``), events go its way.
Where it has not, the host is a library in somebody's program: events go to ``logging``, as a library's should, and stay
silent below warning.
"""

import functools
import logging
from typing import Any

import structlog

__all__ = ["EventLogger", "get_logger"]


class EventLogger:
    """Logs events under one name. Whether structlog is set up is asked at each event, for it may be set up later."""

    def __init__(self, name: str) -> None:
        self._name = name

    def info(self, event: str, **facts: Any) -> None:
        """Something that an operator may want to know."""
        self._bound().info(event, **facts)

    def warning(self, event: str, **facts: Any) -> None:
        """Something that was wrong and has been dealt with."""
        self._bound().warning(event, **facts)

    def error(self, event: str, **facts: Any) -> None:
        """Something that is wrong; ``exc_info`` takes the exception."""
        self._bound().error(event, **facts)

    def _bound(self) -> Any:
        return structlog.get_logger(self._name) if structlog.is_configured() else _through_logging(self._name)


def get_logger(name: str) -> EventLogger:
    """The logger by that name, as ``understudy.host``."""
    return EventLogger(name)


@functools.cache
def _through_logging(name: str) -> Any:
    return structlog.wrap_logger(
        logging.getLogger(name),
        wrapper_class=structlog.stdlib.BoundLogger,
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
    )
