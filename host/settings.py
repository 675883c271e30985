"""The settings: one validated, frozen object, built once and passed down.

Layers, the last wins: ``config/default.toml``, the file named by ``--config`` or ``UNDERSTUDY_CONFIG``, variables
``UNDERSTUDY_*``, arguments. Nothing else in the product reads the environment.
"""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    StrictBool,
    StringConstraints,
    ValidationError,
    field_validator,
)
from typing_extensions import TypedDict

from host.errors import ConfigurationError
from host.layers import (
    Argument,
    Entry,
    Layer,
    argument_layer,
    flatten,
    merge,
    nest,
    read_layers,
    read_list,
    read_switch,
    read_text,
)
from host.resources import config_folder

__all__ = [
    "AdapterSettings",
    "Argument",
    "LogSettings",
    "PluginSettings",
    "PolicySettings",
    "ServerSettings",
    "SessionSettings",
    "Setting",
    "Settings",
    "StoreSettings",
    "StreamSettings",
    "TerminalSettings",
    "engine_variables",
    "load_settings",
    "masked",
    "terminal_variables",
]

_ENGINE = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONFIG", "XDG_RUNTIME_DIR")
_TERMINAL = ("KITTY_WINDOW_ID", "KONSOLE_VERSION", "LC_TERMINAL", "STY", "TERM", "TERM_PROGRAM", "TMUX")
_MASK = "********"
_SECRET_KEY = re.compile(r"(^|_)(secret|token|password|passwd|api_?key|access_key|credential)s?$", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(://[^/@:\s]*:)[^@\s]*@")

_Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=200)]
_Names = tuple[_Name, ...]


def masked(key: str, value: Any) -> Any:
    """``value`` as it may be shown under ``key``: no secret, no password in an address."""
    if isinstance(value, Mapping):
        return {name: masked(name, item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked(key, item) for item in value]
    if isinstance(value, SecretStr) or (
        value and isinstance(value, str | int) and _SECRET_KEY.search(key.rpartition(".")[2])
    ):
        return _MASK
    if isinstance(value, str):
        return _URL_PASSWORD.sub(rf"\1{_MASK}@", value)
    return str(value) if isinstance(value, Path) else value


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def __repr_args__(self) -> Any:
        """What a repr shows: everything but secrets."""
        return [(name, masked(name or "", value)) for name, value in super().__repr_args__()]


class _AdapterTable(TypedDict, total=False):
    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    enabled: StrictBool


class AdapterSettings(_Section):
    """Which adapters serve, in which order, and a free table for each."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, _AdapterTable]

    prefer: _Names = ("sandbox", "monty", "placeholder")

    def table(self, name: str) -> Mapping[str, Any]:
        """The table ``[adapters.NAME]`` as plain data; empty where there is none."""
        return MappingProxyType(dict((self.__pydantic_extra__ or {}).get(name, {})))

    def enabled(self, name: str, *, opt_in: bool = False) -> bool:
        """Whether the configuration lets the adapter be used. One that is ``opt_in`` needs ``enabled = true``."""
        return bool(self.table(name).get("enabled", not opt_in))


class PolicySettings(_Section):
    """Where policies come from, and how large the code they judge may be."""

    default: _Name = "strict"
    folder: Path | None = None
    allow_trusted: StrictBool = False
    max_code_bytes: int = Field(default=1_048_576, ge=1, le=1 << 30, strict=True)
    worker_deadline_ms: int = Field(default=10_000, ge=1, le=900_000, strict=True)


class StoreSettings(_Section):
    """Where records are kept, and how long."""

    url: str = ""
    durability: Literal["process", "power"] = "process"
    retain_days: int = Field(default=3650, ge=1, le=3650, strict=True)


class ServerSettings(_Section):
    """The HTTP service."""

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8700, ge=0, le=65_535, strict=True)
    api_keys: tuple[SecretStr, ...] = ()
    max_request_bytes: int = Field(default=33_554_432, ge=1024, le=1 << 32, strict=True)
    shutdown_grace_ms: int = Field(default=10_000, ge=0, le=3_600_000, strict=True)

    @field_validator("api_keys")
    @classmethod
    def _no_blank_keys(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(not key.get_secret_value().strip() for key in value):
            raise ValueError("a key must not be blank")
        return value


class SessionSettings(_Section):
    """Interpreters that stay alive between commands: how many, how long, and what each may use in all."""

    max_sessions: int = Field(default=32, ge=0, le=100_000, strict=True)
    max_queued: int = Field(default=16, ge=0, le=100_000, strict=True)
    idle_ms: int = Field(default=600_000, ge=1, le=86_400_000, strict=True)
    max_idle_ms: int = Field(default=3_600_000, ge=1, le=86_400_000, strict=True)
    lifetime_ms: int = Field(default=3_600_000, ge=1, le=604_800_000, strict=True)
    max_lifetime_ms: int = Field(default=28_800_000, ge=1, le=604_800_000, strict=True)
    max_commands: int = Field(default=10_000, ge=1, le=1 << 40, strict=True)
    max_wall_ms: int = Field(default=3_600_000, ge=1, le=604_800_000, strict=True)
    max_cpu_ms: int = Field(default=3_600_000, ge=1, le=604_800_000, strict=True)
    max_output_bytes: int = Field(default=268_435_456, ge=1, le=1 << 50, strict=True)


class StreamSettings(_Section):
    """Runs that are followed while they run."""

    grace_ms: int = Field(default=30_000, ge=0, le=3_600_000, strict=True)
    keep_ms: int = Field(default=60_000, ge=0, le=3_600_000, strict=True)
    keep_count: int = Field(default=128, ge=0, le=100_000, strict=True)
    keep_bytes: int = Field(default=67_108_864, ge=0, le=1 << 40, strict=True)
    window_ms: int = Field(default=20, ge=1, le=10_000, strict=True)
    heartbeat_ms: int = Field(default=15_000, ge=10, le=3_600_000, strict=True)
    retry_ms: int = Field(default=1000, ge=0, le=3_600_000, strict=True)
    stall_ms: int = Field(default=30_000, ge=10, le=3_600_000, strict=True)


class LogSettings(_Section):
    """What is logged and how it looks."""

    level: Literal["auto", "debug", "info", "warning", "error"] = "auto"
    format: Literal["auto", "console", "json"] = "auto"


class TerminalSettings(_Section):
    """What the command line does on a terminal."""

    pictures: Literal["auto", "never", "kitty", "iterm"] = "auto"


class PluginSettings(_Section):
    """Which plugins are loaded."""

    disabled: _Names = ()
    required: _Names = ()
    entry_points: StrictBool = True


class Setting(BaseModel):
    """One setting as ``understudy config`` shows it, secrets masked."""

    model_config = ConfigDict(frozen=True)

    key: str
    value: Any
    origin: str


def _adapter_defaults() -> AdapterSettings:
    here = dict.fromkeys(("sandbox", "monty", "placeholder"), True)
    to_be_set_up = dict.fromkeys(("container", "lambda", "lambda_microvm", "bedrock"), False)
    return AdapterSettings.model_validate({name: {"enabled": used} for name, used in (here | to_be_set_up).items()})


class Settings(_Section):
    """Every setting. ``Settings()`` holds the defaults; ``load_settings`` reads the layers."""

    state_dir: Path = Field(default_factory=lambda: _default_state_dir(os.environ))
    locale: str = Field(default="en-US", pattern=r"^[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8})*$")
    adapters: AdapterSettings = Field(default_factory=_adapter_defaults)
    policies: PolicySettings = PolicySettings()
    store: StoreSettings = StoreSettings()
    server: ServerSettings = ServerSettings()
    sessions: SessionSettings = SessionSettings()
    streams: StreamSettings = StreamSettings()
    logs: LogSettings = LogSettings()
    terminal: TerminalSettings = TerminalSettings()
    plugins: PluginSettings = PluginSettings()

    _entries: Mapping[str, Entry] = PrivateAttr(default_factory=dict)

    @property
    def origins(self) -> Mapping[str, str]:
        """Where each value came from, by dotted key."""
        return {setting.key: setting.origin for setting in self.shown()}

    def shown(self) -> tuple[Setting, ...]:
        """Every setting with its value, secrets masked, and its origin."""
        return tuple(
            Setting(
                key=key,
                value=masked(key, value),
                origin=entry.origin if (entry := self._entries.get(key)) else "default",
            )
            for key, value in flatten(self.model_dump())
        )

    def with_overrides(self, overrides: Mapping[str, Any]) -> "Settings":
        """These settings with some replaced, as arguments would.

        Args:
            overrides: as for ``load_settings``.

        Raises:
            ConfigurationError: an unknown key or a wrong value.
        """
        origins = self.origins
        current = {key: Entry(value, origins[key]) for key, value in flatten(self.model_dump())}
        return _build([current, argument_layer(overrides)], os.environ)


def load_settings(
    config_file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """The settings out of all layers.

    Args:
        config_file: as named by ``--config``; None looks at ``UNDERSTUDY_CONFIG``.
        environ: the environment; None is the process's own.
        overrides: arguments, by dotted key (``server.port``; also ``server__port``) or nested. Values are plain data,
            or ``Argument`` for text from a command line.

    Raises:
        ConfigurationError: a file that cannot be read, an unknown key, a wrong value.
    """
    return _build(read_layers(config_file, environ, overrides), os.environ if environ is None else environ)


def engine_variables() -> Mapping[str, str]:
    """What the environment says of container engines, by the names that these gave; "" for what is not set."""
    return {name: os.environ.get(name, "") for name in _ENGINE}


def terminal_variables() -> Mapping[str, str]:
    """What the environment says of the terminal; "" for what is not set."""
    return {name: os.environ.get(name, "") for name in _TERMINAL}


def _build(layers: list[Layer], environ: Mapping[str, str]) -> Settings:
    problems = [problem for layer in layers for key, entry in layer.items() if (problem := _unknown(key, entry))]
    if problems:
        raise ConfigurationError(" ".join(problems), remedy=_REMEDY.format(config_folder() / "default.toml"))
    entries = merge([{key: _read(key, entry) for key, entry in layer.items()} for layer in layers])
    where = entries.get("state_dir")
    if where is None or where.value is None:
        entries["state_dir"] = Entry(_default_state_dir(environ), where.origin if where else "default")
    try:
        settings = Settings.model_validate(nest({key: entry.value for key, entry in entries.items()}))
    except ValidationError as error:
        raise _explained(error, entries) from None
    settings._entries = MappingProxyType(entries)  # noqa: SLF001 - this function builds it
    return settings


_REMEDY = "{} says what each setting means."
_KINDS: dict[str, Any] = {}


def _kinds() -> dict[str, Any]:
    """Every dotted key that has a fixed meaning, with its type; a section's type is its class."""
    if not _KINDS:
        for name, field in Settings.model_fields.items():
            kind = _KINDS[name] = field.annotation
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                _KINDS.update({f"{name}.{inner}": part.annotation for inner, part in kind.model_fields.items()})
    return _KINDS


def _kind(key: str) -> Any:
    """The type that ``key`` has; Any in an adapter's free table, None where nothing has that name."""
    kind = _kinds().get(key)
    parts = key.split(".")
    if kind is None and parts[0] == "adapters" and len(parts) > 1 and parts[1] not in AdapterSettings.model_fields:
        return bool if len(parts) == 3 and parts[2] == "enabled" else Any
    return kind


def _unknown(key: str, entry: Entry) -> str | None:
    if _kind(key) is not None:
        return None
    parent = key.rpartition(".")[0]
    if parent and (kind := _kind(parent)) is not None and not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return f"{key} ({entry.origin}) cannot be set: {parent} is a single value, not a table."
    close = difflib.get_close_matches(key, _kinds(), n=1, cutoff=0.6)
    last = [known for known in _kinds() if known.rpartition(".")[2] == key.rpartition(".")[2]]
    guess = (close or last or [""])[0]
    return f"There is no setting {key} ({entry.origin})." + (f" Did you mean {guess}?" if guess else "")


def _read(key: str, entry: Entry) -> Entry:
    """``entry`` with its text read as the type of its key, and its path made absolute."""
    kind = _kind(key)
    value = _from_text(kind, entry.value) if entry.text else entry.value
    if kind is Path or kind == Path | None:
        value = _path(value, entry.folder)
    return Entry(value, entry.origin)


def _from_text(kind: Any, text: str) -> Any:
    """Text as the type asks for it. What does not fit stays text, and validation says why it is wrong."""
    if kind is bool:
        return read_switch(text)
    if kind is int:
        return int(text) if re.fullmatch(r"\s*[+-]?[0-9][0-9_]{0,30}\s*", text) else text
    if getattr(kind, "__origin__", None) is tuple:
        return read_list(text)
    return read_text(text) if kind is Any else text


def _path(value: Any, folder: Path | None) -> Any:
    if value is None or value == "":
        return None
    if not isinstance(value, str | Path):
        return value
    return ((folder or Path.cwd()) / Path(value).expanduser()).absolute()


def _explained(error: ValidationError, entries: Mapping[str, Entry]) -> ConfigurationError:
    sentences = []
    for problem in error.errors(include_url=False, include_context=False):
        key = ".".join(str(part) for part in problem["loc"])
        while key and key not in entries and "." in key:  # a place inside a list
            key = key.rpartition(".")[0]
        entry = entries.get(key)
        shown = f" = {masked(key, entry.value)!r}" if entry else ""
        reason = problem["msg"].removeprefix("Value error, ")
        sentences.append(f"Setting {key}{shown} ({entry.origin if entry else 'default'}) is wrong: {reason}.")
    return ConfigurationError(" ".join(sentences), remedy=_REMEDY.format(config_folder() / "default.toml"))


def _default_state_dir(environ: Mapping[str, str]) -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/understudy")
    base = environ.get("XDG_STATE_HOME", "")
    home = Path(base) if base.startswith("/") else Path(environ.get("HOME") or Path.home()) / ".local" / "state"
    return home / "understudy"
