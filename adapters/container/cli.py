"""``understudy image``: the images that containers are made from, a language each."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from adapters.container.building import Plan
    from adapters.container.engine import Client
    from adapters.container.images import Image, Images
    from adapters.container.settings import ContainerSettings

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="The images that programs run in, one for each language.")

_T = TypeVar("_T")
_WIDTH = 140  # of a table that no terminal has to show
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Languages = Annotated[
    list[str] | None, typer.Argument(help="Languages; without any, all that can be had here.", show_default=False)
]
_Environment = Annotated[
    str, typer.Option("--environment", help="The guest environment whose packages Python has in it, as `data`.")
]


@app.command("build")
def build_images(
    languages: _Languages = None,
    environment: _Environment = "base",
    base: Annotated[
        str,
        typer.Option(
            "--base",
            help="An image to begin from, with Python 3.9 or later and the language; else out of this machine's own.",
        ),
    ] = "",
    dry_run: Annotated[  # noqa: FBT002
        bool, typer.Option("--dry-run", help="Only say what would be built: the Dockerfile and how much is sent.")
    ] = False,
    anew: Annotated[bool, typer.Option("--anew", help="Build also what is there already.")] = False,  # noqa: FBT002
    as_json: _Json = False,  # noqa: FBT002
) -> None:
    """Build the images, out of the very files that the local wall shows: no base image, no registry, no network."""
    settings = _settings()
    plans = _plans(_checked(languages), environment, base, settings, passing_over=not languages)
    if dry_run:
        _show_plans(plans, as_json=as_json)
        return

    async def work(docker: "Client") -> "tuple[list[Image], Images]":
        from adapters.container.building import build
        from adapters.container.images import Images

        made = []
        for plan in plans:
            name = plan.reference
            made.append(await build(docker, plan, lambda line, name=name: _say(f"{name}: {line}"), anew=anew))  # type: ignore[misc]
        return made, await Images.read(docker)

    made, images = _with_engine(settings, work)
    _show(made, images, as_json=as_json)


@app.command("list")
def list_images(as_json: _Json = False) -> None:  # noqa: FBT002
    """List the images that the engine has, and which of them serve."""

    async def work(docker: "Client") -> "Images":
        from adapters.container.images import Images

        return await Images.read(docker)

    images = _with_engine(_settings(), work)
    _show(list(images), images, as_json=as_json)


@app.command("push")
def push_images(
    prefix: Annotated[str, typer.Argument(help="Where to, as registry.example/team.", metavar="REPOSITORY_PREFIX")],
    languages: _Languages = None,
    environment: _Environment = "base",
    as_json: _Json = False,  # noqa: FBT002
) -> None:
    """Send the images that serve to a registry, with what `docker login` has kept for it."""
    wanted = _checked(languages)

    async def work(docker: "Client") -> list[str]:
        from adapters.container.images import Images, missing_error
        from adapters.container.registry import credentials, push, registry_of

        images = await Images.read(docker)
        auth = await credentials(registry_of(f"{prefix}/image"))
        names: list[str] = []
        for language in wanted:
            image = images.current(language, environment)
            if image is None:
                if languages:
                    raise missing_error(language, environment)
                continue
            names += await push(docker, image, prefix, lambda line, name=language: _say(f"{name}: {line}"), auth)  # type: ignore[misc]
        if not names:
            raise missing_error("python", environment)
        return names

    names = _with_engine(_settings(), work)
    typer.echo(json.dumps(names, indent=2) if as_json else "\n".join(names))


def _checked(languages: list[str] | None) -> list[str]:
    from adapters.container.ours import LANGUAGES

    for language in languages or ():
        if language not in LANGUAGES:
            raise typer.BadParameter(f"{language!r} is no language with an image; there are {', '.join(LANGUAGES)}")
    return list(dict.fromkeys(languages or LANGUAGES))


def _settings() -> "ContainerSettings":
    from adapters.container.settings import ContainerSettings
    from host.cli.session import session

    return ContainerSettings.read(session().settings().adapters.table("container"))


def _plans(
    languages: list[str], environment: str, base: str, settings: "ContainerSettings", *, passing_over: bool
) -> "list[Plan]":
    """What to build. Where nobody named the languages, one that is not to be had here is said and passed over."""
    from adapters.container.building import plan
    from host.cli.session import session
    from host.errors import AdapterError

    state_dir = session().settings().state_dir
    plans, last = [], None
    for language in languages:
        try:
            made = plan(language, state_dir, environment=environment, base=base, prefix=settings.images)
        except AdapterError as error:
            if not passing_over:
                raise
            _say(f"{language}: passed over: {error}")
            last = error
        else:
            plans.append(made)
    if last is not None and not plans:
        raise last
    return plans


def _with_engine(settings: "ContainerSettings", work: "Callable[[Client], Awaitable[_T]]") -> _T:
    from adapters.container.engine import connect, greet

    async def main() -> _T:
        docker = connect(settings)
        try:
            await greet(docker)
            return await work(docker)
        finally:
            await docker.close()

    return asyncio.run(main())


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _show_plans(plans: "list[Plan]", *, as_json: bool) -> None:
    shown: list[dict[str, Any]] = [
        {"reference": plan.reference, "dockerfile": plan.dockerfile, "context_bytes": plan.context.length}
        for plan in plans
    ]
    if as_json:
        typer.echo(json.dumps(shown, indent=2))
        return
    for each in shown:
        typer.echo(f"# {each['reference']}, context of {each['context_bytes'] / 1e6:.1f} MB\n{each['dockerfile']}")


def _show(shown: "list[Image]", images: "Images", *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([{**image.as_json(), "state": images.state(image)} for image in shown], indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("language")
    table.add_column("reference", overflow="fold")
    for name in ("id", "size", "built (UTC)", "state"):
        table.add_column(name, no_wrap=True)
    for image in shown:
        language = image.language if image.environment in ("base", "sql") else f"{image.language}, {image.environment}"
        table.add_row(
            language,
            image.reference,
            image.id.removeprefix("sha256:")[:12],
            f"{image.size_bytes / 1e6:.1f} MB",
            f"{image.built_at:%Y-%m-%d %H:%M}",
            images.state(image),
        )
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(console.width, _WIDTH))
    console.print(table)
