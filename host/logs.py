"""Logs: set up once, by the command or the service that runs, never by an import. They go to stderr.

Our own messages and those of libraries that use ``logging`` take the same road and look the same.
"""

import logging
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any

import structlog
from structlog.types import Processor

from host.settings import LogSettings, masked

__all__ = ["set_up_logs"]

_MASK = "********"


def set_up_logs(settings: LogSettings, *, serving: bool = False, secrets: Iterable[str] = ()) -> None:
    """Log from now on as ``settings`` say.

    Args:
        settings: level and format.
        serving: the process is the service; it decides what the level ``auto`` means.
        secrets: texts that must not appear in any message, such as API keys.
    """
    level = settings.level if settings.level != "auto" else "info" if serving else "warning"
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # so that a second set-up, in a test say, reaches loggers in use
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(settings, tuple(secrets)),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    logging.captureWarnings(capture=True)


def _rendering(settings: LogSettings, secrets: tuple[str, ...]) -> list[Processor]:
    as_json = settings.format == "json" or (settings.format == "auto" and not sys.stderr.isatty())
    hide = _Hider(secrets)
    if as_json:
        return [structlog.processors.format_exc_info, hide, structlog.processors.JSONRenderer(default=str)]
    return [structlog.processors.format_exc_info, hide, _console()]


def _console() -> Processor:
    from rich.console import Console

    console = Console(stderr=True)  # it knows about terminals and NO_COLOR
    return structlog.dev.ConsoleRenderer(colors=console.is_terminal and not console.no_color)


class _Hider:
    """Masks what must not be logged: keys that name a secret, passwords in addresses, and the secrets themselves."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._secrets = tuple(sorted((secret for secret in secrets if secret), key=len, reverse=True))

    def __call__(self, logger: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.pop("color_message", None)  # uvicorn's coloured double of the message
        return {key: self._hidden(key, value) for key, value in event.items()}

    def _hidden(self, key: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._hidden(str(name), item) for name, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._hidden(key, item) for item in value]
        if value is None or isinstance(value, bool | float):
            return value
        shown = masked(key, value if isinstance(value, str | int) else str(value))
        if isinstance(shown, str):
            for secret in self._secrets:
                shown = shown.replace(secret, _MASK)
        return shown
