"""The plugin's command."""

import typer


def echo(text: str) -> None:
    """Say a text back."""
    typer.echo(text)
