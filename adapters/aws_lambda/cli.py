"""``understudy deploy lambda``: the functions in which the adapter runs programs."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from adapters.aws_lambda.plan import Plan
    from adapters.aws_lambda.settings import LambdaSettings

__all__ = ["deploy_lambda"]

_FOLDER = Path("understudy-lambda")
_ARCHITECTURES = ("x86_64", "arm64")


def deploy_lambda(
    dry_run: Annotated[  # noqa: FBT002
        bool, typer.Option("--dry-run", help="Ask nothing of AWS; write the packages and a CloudFormation template.")
    ] = False,
    region: Annotated[str, typer.Option(help="The AWS region; else that of [adapters.lambda], or boto3's.")] = "",
    profile: Annotated[str, typer.Option(help="A profile of the AWS configuration.")] = "",
    languages: Annotated[
        str, typer.Option(help="Some of python, sql, javascript, typescript, bash, with commas; else all that fit.")
    ] = "",
    memory: Annotated[
        int | None, typer.Option(min=128, max=10_240, help="Memory of each, in MB; else memory_mb of the settings.")
    ] = None,
    timeout: Annotated[
        int | None, typer.Option(min=10, max=900, help="Lambda's own limit, in s; else timeout_s of the settings.")
    ] = None,
    runtime: Annotated[str, typer.Option(help="Lambda's Python, as python3.13; this one's own starts quickest.")] = "",
    arch: Annotated[str, typer.Option(help="The processor: x86_64 or arm64.")] = "x86_64",
    guest_environment: Annotated[str, typer.Option(help="The guest environment that Python programs get.")] = "base",
    role: Annotated[str, typer.Option(help="The ARN of a role; else one without permissions is made.")] = "",
    bucket: Annotated[str, typer.Option(help="An S3 bucket in the region, for packages of more than 50 MB.")] = "",
    reserved_concurrency: Annotated[
        int | None, typer.Option(min=0, help="How many programs of each language may run at one time.")
    ] = None,
    tenant_isolation: Annotated[  # noqa: FBT002
        bool, typer.Option("--tenant-isolation", help="Never let two tenants share an execution environment.")
    ] = False,
    template: Annotated[Path | None, typer.Option(help="Where the CloudFormation template goes.")] = None,
    package: Annotated[Path | None, typer.Option(help="The folder that the packages go to.")] = None,
) -> None:
    """Set up the functions of adapter lambda, or bring them up to date. A second run changes nothing."""
    from adapters.aws_lambda.plan import Plan, planned
    from host.cli.session import session
    from host.errors import UnderstudyError

    configured = session().settings()
    settings = _settings(configured.adapters.table("lambda"), region=region, profile=profile)
    try:
        functions, left_out = planned(
            settings,
            configured.state_dir,
            _chosen(languages),
            runtime=_runtime(runtime),
            architecture=_architecture(arch),
            environment=guest_environment,
            memory_mb=memory or settings.memory_mb,
            timeout_s=timeout or settings.timeout_s,
        )
        plan = Plan(functions, left_out, role, bucket, reserved_concurrency, per_tenant=tenant_isolation)
        _say_what_is_left_out(plan, asked_for=bool(languages))
        folder = package or (_FOLDER if dry_run else None)
        _write(plan, folder, template or (folder / "template.json" if dry_run and folder else None))
        if dry_run:
            _say_what_would_be(plan, settings)
        else:
            asyncio.run(_deploy(plan, settings))
    except UnderstudyError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


def _settings(table: Mapping[str, Any], *, region: str, profile: str) -> "LambdaSettings":
    from adapters.aws_lambda.settings import LambdaSettings

    given = {name: value for name, value in (("region", region), ("profile", profile)) if value}
    return LambdaSettings.read({**table, **given})


def _chosen(languages: str) -> list[str]:
    from adapters.aws_lambda.functions import LANGUAGES

    chosen = [name.strip() for name in languages.split(",") if name.strip()]
    if unknown := [name for name in chosen if name not in LANGUAGES]:
        raise typer.BadParameter(f"there is no package for {', '.join(unknown)}; languages are {', '.join(LANGUAGES)}")
    return list(dict.fromkeys(chosen))


def _runtime(runtime: str) -> str:
    from adapters.aws_lambda.fits import RUNTIMES, usual_runtime

    if runtime and runtime not in RUNTIMES:
        raise typer.BadParameter(f"the runner does not run on {runtime}; runtimes are {', '.join(RUNTIMES)}")
    return runtime or usual_runtime()


def _architecture(arch: str) -> str:
    if arch not in _ARCHITECTURES:
        raise typer.BadParameter(f"there is no processor {arch} in Lambda; it has {' and '.join(_ARCHITECTURES)}")
    return arch


def _say_what_is_left_out(plan: "Plan", *, asked_for: bool) -> None:
    for language, lack in plan.left_out.items():
        typer.echo(f"{language}: left out. {lack.reason}. Remedy: {lack.remedy}.", err=True)
    if plan.left_out and (asked_for or not plan.functions):
        raise typer.Exit(1)


def _write(plan: "Plan", folder: Path | None, template: Path | None) -> None:
    """Write what is wanted as files."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for function in plan.functions:
            (folder / function.key).write_bytes(function.zip)
            typer.echo(f"wrote {folder / function.key}, {len(function.zip) / 1e6:.1f} MB")
    if template is not None:
        from adapters.aws_lambda.template import template as made

        template.parent.mkdir(parents=True, exist_ok=True)
        template.write_text(made(plan), encoding="utf-8")
        typer.echo(f"wrote {template}")


def _say_what_would_be(plan: "Plan", settings: "LambdaSettings") -> None:
    role = plan.role or "a role without permissions; nothing is logged, because it may not write logs"
    typer.echo(f"It would set up, in {settings.region or 'the region that boto3 finds'}, with {role}:")
    for function in plan.functions:
        extras = ["" if plan.reserved is None else f"reserved concurrency {plan.reserved}"]
        extras += ["tenants kept apart" if plan.per_tenant else "", "through S3" if function.is_large else ""]
        about = [
            f"{function.runtime} on {function.architecture}",
            f"{function.memory_mb} MB",
            f"{function.timeout_s} s",
            f"{len(function.zip) / 1e6:.1f} MB zipped",
        ]
        typer.echo(f"  {function.name}: {', '.join([*about, *filter(None, extras)])}")


async def _deploy(plan: "Plan", settings: "LambdaSettings") -> None:
    from adapters.aws.calls import Calls
    from adapters.aws_lambda.deploy import deploy

    calls = Calls("lambda", settings)
    try:
        await deploy(calls, plan, typer.echo)
    finally:
        await calls.aclose()
