"""``understudy deploy microvm``: the image from which MicroVMs are started."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from adapters.lambda_microvm.deploy import Deployed
    from adapters.lambda_microvm.plan import Plan
    from adapters.lambda_microvm.settings import MicrovmSettings

__all__ = ["deploy_microvm"]


def deploy_microvm(
    dry_run: Annotated[  # noqa: FBT002
        bool, typer.Option("--dry-run", help="Ask nothing of AWS; say what would be done.")
    ] = False,
    region: Annotated[
        str, typer.Option(help="The AWS region; else that of [adapters.lambda_microvm], or boto3's.")
    ] = "",
    profile: Annotated[str, typer.Option(help="A profile of the AWS configuration.")] = "",
    bucket: Annotated[str, typer.Option(help="An S3 bucket in the region, for the package.")] = "",
    name: Annotated[str, typer.Option(help="The image; else that of the settings.")] = "",
    languages: Annotated[
        str, typer.Option(help="Some of python, sql, javascript, typescript, bash, elixir, with commas; else all.")
    ] = "",
    memory: Annotated[
        int, typer.Option(help="Memory of a MicroVM at least, in MB: 512, 1024, 2048, 4096, 8192.")
    ] = 2048,
    arch: Annotated[str, typer.Option(help="The processor: arm64 or x86_64.")] = "arm64",
    guest_environment: Annotated[str, typer.Option(help="The guest environment that Python programs get.")] = "base",
    role: Annotated[str, typer.Option(help="The ARN of a role that may build; else one is made.")] = "",
    base: Annotated[str, typer.Option(help="The ARN of AWS's image beneath; else the newest.")] = "",
    package: Annotated[Path | None, typer.Option(help="Write the package to this file too.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,  # noqa: FBT002
) -> None:
    """Set up the image of adapter lambda_microvm, or bring it up to date. A second run changes nothing."""
    from host.cli.session import session
    from host.errors import UnderstudyError

    try:
        configured = session().settings()
        settings = _settings(configured.adapters.table("lambda_microvm"), region=region, profile=profile)
        plan = _plan(settings, bucket or ("BUCKET" if dry_run else ""), name, languages, memory, arch)
        packages = _packages(configured.state_dir, guest_environment)
        plan = replace(plan, role=role, base=base, environment=guest_environment, packages=packages)
        if package is not None:
            package.write_bytes(plan.zip)
        if dry_run:
            typer.echo(_as_json(plan) if as_json else plan.as_text())
            return
        deployed = asyncio.run(_deploy(plan, settings, quiet=as_json))
    except UnderstudyError as error:
        problem = {"error": error.type, "detail": error.message, "remedy": error.remedy}
        typer.echo(json.dumps(problem) if as_json else str(error), err=not as_json)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps({"image": deployed.arn, "version": deployed.version, "package": plan.uri}))
        return
    lines = ["", "Now set, in the configuration:", "", "[adapters.lambda_microvm]", "enabled = true"]
    lines += [f'image = "{deployed.arn}"']
    lines += [f'guest_environment = "{plan.environment}"'] if plan.packages else []
    typer.echo("\n".join(lines))


def _settings(table: Mapping[str, Any], *, region: str, profile: str) -> "MicrovmSettings":
    from adapters.lambda_microvm.settings import MicrovmSettings

    given = {name: value for name, value in (("region", region), ("profile", profile)) if value}
    return MicrovmSettings.read({**table, **given})


def _plan(
    settings: "MicrovmSettings",
    bucket: str,
    name: str,
    languages: str,
    memory: int,
    arch: str,
) -> "Plan":
    from adapters.lambda_microvm.package import LANGUAGES
    from adapters.lambda_microvm.plan import ARCHITECTURES, MEMORIES_MB, Plan

    chosen = [word.strip() for word in languages.split(",") if word.strip()] or list(LANGUAGES)
    if unknown := [word for word in chosen if word not in LANGUAGES]:
        raise typer.BadParameter(f"no image runs {', '.join(unknown)}; languages are {', '.join(LANGUAGES)}")
    if memory not in MEMORIES_MB:
        raise typer.BadParameter(f"a MicroVM has {', '.join(map(str, MEMORIES_MB))} MB, and not {memory}")
    if arch not in ARCHITECTURES:
        raise typer.BadParameter(f"there is no processor {arch}; there are {' and '.join(ARCHITECTURES)}")
    if not bucket:
        raise typer.BadParameter("name an S3 bucket of the same region with --bucket")
    image = name or settings.image.rpartition(":")[2]
    return Plan(image, bucket, tuple(sorted({*chosen, "python"})), memory, arch)


def _packages(state_dir: Path, environment: str) -> Mapping[str, str]:
    """What is in a guest environment of this host."""
    from adapters.guest.environments import BASE, Environments, GuestEnvironmentError

    if environment == BASE:
        return {}
    found = Environments(state_dir).get(environment)
    if not found.packages:
        remedy = found.remedy.replace("{package}", "PACKAGE")
        raise GuestEnvironmentError(f"guest environment {environment} is {found.state}.", remedy=remedy)
    return found.packages


def _as_json(plan: "Plan") -> str:
    from adapters.lambda_microvm.package import dockerfile
    from adapters.lambda_microvm.plan import ROLE

    said = {
        "image": plan.name,
        "package": plan.uri,
        "sha256": plan.sha256,
        "dockerfile": dockerfile(plan.languages, plan.packages),
        "configuration": plan.configuration(plan.role or ROLE, plan.base or "newest"),
        "build_policy": plan.build_policy(),
    }
    return json.dumps(said, indent=2)


async def _deploy(plan: "Plan", settings: "MicrovmSettings", *, quiet: bool) -> "Deployed":
    from adapters.aws.calls import Calls
    from adapters.lambda_microvm.deploy import deploy
    from adapters.lambda_microvm.settings import NAME

    calls = Calls(NAME, settings)
    try:
        return await deploy(calls, plan, _nothing if quiet else typer.echo)
    finally:
        await calls.aclose()


def _nothing(sentence: str) -> None:
    """What was done is in the JSON."""
