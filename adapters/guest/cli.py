"""``understudy guests``: what code may import beside the standard library of its language."""

import json
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from adapters.guest.environments import Environment, Environments, GuestEnvironmentError

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Guest environments: named, locked sets of packages that code may import.")

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_environments(as_json: _Json = False) -> None:  # noqa: FBT002
    """List the environments: packages, size, state."""
    _show(lambda environments: environments.list(), as_json=as_json, waiting="")


@app.command("add")
def add_packages(
    name: Annotated[str, typer.Argument(help="The environment, as a policy's guest_environment names it.")],
    packages: Annotated[
        list[str], typer.Argument(help="Packages by name, with or without a version: numpy 'pandas>=2'.")
    ],
    as_json: _Json = False,  # noqa: FBT002
) -> None:
    """Add packages to an environment: resolve, lock with hashes, build."""

    def work(environments: Environments) -> Sequence[Environment]:
        from adapters.guest.builds import add

        return [add(environments, name, packages)]

    _show(work, as_json=as_json, waiting=f"Building guest environment {name}")


@app.command("build")
def build_environments(
    name: Annotated[str | None, typer.Argument(help="The environment to build.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Build every environment that has a lock.")] = False,  # noqa: FBT002
    as_json: _Json = False,  # noqa: FBT002
) -> None:
    """Build environments anew from their locks."""
    if (name is None) != everything:
        raise typer.BadParameter("give the name of one environment, or --all")

    def work(environments: Environments) -> Sequence[Environment]:
        from adapters.guest.builds import build

        names = [name] if name else [known.name for known in environments.list() if known.name != "base"]
        return [build(environments, each) for each in names]

    _show(work, as_json=as_json, waiting="Building guest environments")


def _show(work: Callable[[Environments], Sequence[Environment]], *, as_json: bool, waiting: str) -> None:
    from rich.console import Console

    from host.cli.session import session

    state_dir = session().settings().state_dir
    try:
        if waiting and not as_json:
            with Console(stderr=True).status(waiting):
                found = work(Environments(state_dir))
        else:
            found = work(Environments(state_dir))
    except GuestEnvironmentError as error:
        if as_json:
            typer.echo(json.dumps({"error": error.type, "detail": error.message, "remedy": error.remedy}))
        else:
            typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps([environment.as_json() for environment in found], indent=2))
        return
    from rich.table import Table

    table = Table("name", "state", "packages", "size")
    for each in found:
        packages = ", ".join(f"{package} {version}" for package, version in sorted(each.packages.items()))
        table.add_row(
            each.name, each.state, packages or "-", f"{each.size_bytes / 1e6:.1f} MB" if each.size_bytes else "-"
        )
    Console().print(table)
