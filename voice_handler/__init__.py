"""A computation request in, a spoken sentence out."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voice_handler.handler import Answer, ComputationRequest, VoiceHandler

__all__ = ["Answer", "ComputationRequest", "VoiceHandler"]


def __getattr__(name: str) -> Any:
    """The handler on first use: the plugin beside it is imported by every command, and must cost nothing."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from voice_handler import handler

    return getattr(handler, name)
