"""Voice as a plugin: it puts results into words."""

from typing import TYPE_CHECKING

from host.hookspecs import hookimpl

if TYPE_CHECKING:
    from host.models import ExecutionResult

__all__ = ["spoken_sentence"]


@hookimpl
def spoken_sentence(result: "ExecutionResult", locale: str) -> str | None:
    """The result in plain English; other languages are left to other plugins."""
    if locale.partition("-")[0].lower() != "en":
        return None
    from voice_handler.sentences import sentence

    return sentence(result)
