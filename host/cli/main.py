"""The command ``understudy``. Commands come from plugins and are imported only when they run: the help is quick."""

import inspect
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from host.cli.session import session
from host.errors import PluginError
from host.specs import CommandSpec, load_target

__all__ = ["run"]

_HELP = "Runs code for voice and AI agents on the best sandbox that is ready right now."

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings file; otherwise the one UNDERSTUDY_CONFIG names."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="One setting, as server.port=8080. May be repeated."),
]


class _Commands(TyperGroup):
    """The commands of all plugins, by name; each is a stub with its summary until it is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self._specs: dict[str, CommandSpec] | None = None

    @property
    def specs(self) -> dict[str, CommandSpec]:
        if self._specs is None:
            specs, broken = _discover()
            self._specs = {spec.name: spec for spec in specs}
            if broken:
                self.epilog = " ".join(broken) + " See: understudy plugins"
        return self._specs

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        return list(self.specs)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        """The stub for the help."""
        spec = self.specs.get(cmd_name)
        return spec and TyperCommand(spec.name, help=spec.summary, short_help=spec.summary)

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        """The command itself, imported now."""
        spec = self.specs.get(args[0])
        if spec is None:
            self.commands = {name: self.get_command(ctx, name) for name in self.specs}  # what did-you-mean looks among
            return super().resolve_command(ctx, args)
        return spec.name, _command(spec), args[1:]


def _discover() -> tuple[tuple[CommandSpec, ...], list[str]]:
    """Every command, and a sentence for each plugin that was dropped."""
    from host.cli.discovery import plugins_that_load

    disabled, use_entry_points = session().plugin_choice()
    plugins, broken = plugins_that_load(disabled, use_entry_points=use_entry_points)
    specs = plugins.commands()
    return specs, [f"Plugin {each.name} was dropped: {each.reason}." for each in (*broken, *plugins.broken)]


def _command(spec: CommandSpec) -> Any:
    """The command behind a specification.

    Raises:
        PluginError: its target cannot be loaded.
    """
    try:
        target = load_target(spec.target)
        if isinstance(target, typer.Typer):
            for each in target.registered_commands:
                each.callback = each.callback and _with_configuration(each.callback)
        else:
            function, target = target, typer.Typer(add_completion=False, rich_markup_mode=None)
            target.command(name=spec.name)(_with_configuration(function))
        command = typer.main.get_command(target)
    except Exception as error:
        raise PluginError(
            f"The command {spec.name} ({spec.target}) cannot be loaded: {type(error).__name__}: {error}.",
            remedy="`understudy plugins` names the plugin that brings it.",
        ) from error
    command.name = spec.name
    command.help = command.help or spec.summary
    return command


def _with_configuration(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` with the options --config and --set, unless it has such options of its own."""
    signature = inspect.signature(function, eval_str=True)
    if {"config_file", "assignments"} & set(signature.parameters):
        return function

    def command(config_file: Path | None = None, assignments: list[str] | None = None, **arguments: Any) -> Any:
        session().configure(config_file, assignments)
        session().json = session().json or bool(arguments.get("as_json"))
        return function(**arguments)

    options = [
        inspect.Parameter("config_file", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=ConfigOption),
        inspect.Parameter("assignments", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=SetOption),
    ]
    command.__doc__ = function.__doc__ and inspect.cleandoc(function.__doc__).partition("\n\nArgs:")[0]
    command.__name__ = function.__name__
    command.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *options])  # type: ignore[attr-defined]
    command.__annotations__ = {name: each.annotation for name, each in command.__signature__.parameters.items()}  # type: ignore[attr-defined]
    return command


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        sys.stdout.write(f"understudy {version('understudy')}\n")
        raise typer.Exit


_app = typer.Typer(cls=_Commands, add_completion=False, no_args_is_help=True, help=_HELP, rich_markup_mode="rich")


@_app.callback()
def _main(
    config_file: ConfigOption = None,
    assignments: SetOption = None,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Show the version and exit.")
    ] = False,
) -> None:
    session().configure(config_file, assignments)


def _ahead_of_time(arguments: Sequence[str]) -> None:
    """Take ``--config`` and ``--json`` before parsing: the first names the plugins that the parser needs to know of."""
    session().forget()
    session().json = "--json" in arguments
    for place, argument in enumerate(arguments):
        if argument.startswith("--config="):
            session().config_file = Path(argument.partition("=")[2])
        elif argument == "--config" and place + 1 < len(arguments):
            session().config_file = Path(arguments[place + 1])


def run(arguments: Sequence[str] | None = None) -> int:
    """The console script. Returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    _ahead_of_time(arguments)
    command = typer.main.get_command(_app)
    try:
        code = command.main(args=list(arguments), prog_name="understudy", standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as error:  # bad usage, in typer's own words
        return _bad_usage(error)
    except typer.Abort:
        return 130
    except BrokenPipeError:  # whoever read our output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last line of defence: exit codes are a contract
        from host.cli.errors import report

        return report(error, as_json=session().json)
    return code if isinstance(code, int) else 0


def _bad_usage(error: typer.TyperException) -> int:
    from host.cli.errors import USAGE, UsageError, report

    if session().json:
        return report(UsageError(error.format_message()), as_json=True)
    show = getattr(error, "show", None)
    if show is not None:
        show()
    else:
        sys.stderr.write(f"Error: {error.format_message()}\n")
    return USAGE
