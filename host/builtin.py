"""The host's own plugin: its commands, routes and languages. It is loaded like any other."""

from collections.abc import Iterator

from host.hookspecs import hookimpl
from host.specs import CommandSpec, LanguageSpec, RouteSpec

__all__ = ["commands", "languages", "routes"]


@hookimpl
def languages() -> Iterator[LanguageSpec]:
    """The languages that guests are shipped for."""
    yield LanguageSpec("python", extensions=(".py",), aliases=("py", "python3"))
    yield LanguageSpec("javascript", extensions=(".js", ".mjs"), aliases=("js", "node"))
    yield LanguageSpec("typescript", extensions=(".ts",), aliases=("ts",))
    yield LanguageSpec("sql", extensions=(".sql",))
    yield LanguageSpec("bash", extensions=(".sh",), aliases=("sh",))
    yield LanguageSpec("elixir", extensions=(".exs", ".ex"))


@hookimpl
def commands() -> Iterator[CommandSpec]:
    """The commands, in the order of the help."""
    folder = "host.cli.commands"
    yield CommandSpec("run", f"{folder}.run:run", "Run a program behind the best wall that is ready.")
    yield CommandSpec("repl", f"{folder}.repl:repl", "Type commands into an interpreter that stays alive.")
    yield CommandSpec(
        "validate", f"{folder}.validate:validate", "Say what is wrong with a program, without running it."
    )
    yield CommandSpec("serve", "host.http.command:serve", "Serve the HTTP API.")
    yield CommandSpec(
        "doctor", f"{folder}.doctor:doctor", "Check every adapter; name what is missing and how to get it."
    )
    yield CommandSpec("adapters", f"{folder}.adapters:adapters", "List the adapters: state, languages, enforcement.")
    yield CommandSpec("policies", f"{folder}.policies:policies", "List the policies and their limits.")
    yield CommandSpec("plugins", f"{folder}.plugins:plugins", "List the plugins, the broken ones with their reason.")
    yield CommandSpec("history", f"{folder}.history:history", "List executions, newest first.")
    yield CommandSpec("show", f"{folder}.history:show", "Show the record of one execution.")
    yield CommandSpec(
        "session", f"{folder}.sessions:app", "Open, use and end interpreters that a running service keeps alive."
    )
    yield CommandSpec("follow", f"{folder}.follow:follow", "Show what an execution of a running service does.")
    yield CommandSpec("cancel", f"{folder}.follow:cancel", "Stop an execution of a running service.")
    yield CommandSpec("config", f"{folder}.config:config", "Show each setting and where its value came from.")


@hookimpl
def routes() -> Iterator[RouteSpec]:
    """The routes of the HTTP API."""
    yield RouteSpec("executions", "host.http.executions:router")
    yield RouteSpec("events", "host.http.events:router")
    yield RouteSpec("displays", "host.http.displays:router")
    yield RouteSpec("sessions", "host.http.sessions:router")
    yield RouteSpec("catalogue", "host.http.catalogue:router")
    yield RouteSpec("health", "host.http.health:router")
