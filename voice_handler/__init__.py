"""A computation request in, a spoken sentence out.

Names are loaded on first use: this package's plugin is loaded for the command line's help, which must stay quick.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voice_handler.handler import Answer, ComputationRequest, VoiceHandler

__all__ = ["Answer", "ComputationRequest", "VoiceHandler"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'voice_handler' has no attribute {name!r}")
    from voice_handler import handler

    return getattr(handler, name)
