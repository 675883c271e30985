"""``understudy deploy``: set up at a cloud provider what an adapter runs programs in."""

import typer

from adapters.aws_lambda.cli import deploy_lambda
from adapters.lambda_microvm.cli import deploy_microvm

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Set up at AWS what programs run in.")
app.command("lambda")(deploy_lambda)
app.command("microvm")(deploy_microvm)
