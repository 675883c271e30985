"""A computation request in, a spoken sentence out."""

from voice_handler.handler import Answer, ComputationRequest, VoiceHandler

__all__ = ["Answer", "ComputationRequest", "VoiceHandler"]
