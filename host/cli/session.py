"""What one call of the command line was told: configuration file and single settings, wherever they stood."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host.errors import ConfigurationError
from host.layers import Argument, merge, read_layers, read_list, read_switch

if TYPE_CHECKING:
    from host.settings import Settings

__all__ = ["Session", "session"]


class Session:
    """One call of ``understudy``.

    Attributes:
        config_file: as named by ``--config``, or None.
        given: settings named by ``--set KEY=VALUE``, by dotted key.
        json: machine output was asked for.
    """

    config_file: Path | None
    given: dict[str, Any]
    json: bool

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin a new call."""
        self.config_file = None
        self.given = {}
        self.json = False

    def configure(self, config_file: Path | None, assignments: list[str] | None) -> None:
        """Take ``--config`` and ``--set`` of one place on the line; a later place wins.

        Raises:
            ConfigurationError: an assignment without ``=``.
        """
        self.config_file = config_file or self.config_file
        for assignment in assignments or ():
            key, equals, text = assignment.partition("=")
            if not equals or not key.strip():
                message = f"--set {assignment} does not say what to set."
                raise ConfigurationError(message, remedy="Write --set KEY=VALUE, as --set server.port=8080.")
            self.given[key.strip()] = Argument(text, f"--set {key.strip()}")

    def settings(self, arguments: Mapping[str, Any] | None = None) -> "Settings":
        """All settings.

        Args:
            arguments: a command's own options, by dotted key; None values are options that were not given.

        Raises:
            ConfigurationError: something in them is wrong.
        """
        from host.settings import load_settings

        own = {key: value for key, value in (arguments or {}).items() if value is not None}
        return load_settings(self.config_file, overrides={**self.given, **own})

    def plugin_choice(self) -> tuple[tuple[str, ...], bool]:
        """Which plugins are disabled, and whether entry points are loaded.

        Read without building all the settings, which would cost the help more time than all the rest of it. What is
        wrong with the configuration is for the commands to say; the help has to work all the same.
        """
        try:
            merged = merge(read_layers(self.config_file, None, self.given))
        except ConfigurationError:
            return (), True
        disabled, switch = merged["plugins.disabled"], merged["plugins.entry_points"]
        names = read_list(disabled.value) if disabled.text else disabled.value
        entry_points = read_switch(switch.value) if switch.text else switch.value
        return tuple(names) if isinstance(names, list) else (), entry_points is not False


_session = Session()


def session() -> Session:
    """This process's call of the command line. For commands, built-in and third-party."""
    return _session
