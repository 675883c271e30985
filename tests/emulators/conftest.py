"""The fixtures of the emulators, for their own tests."""

from tests.emulators.fixtures import agentcore, emulate

__all__ = ["agentcore", "emulate"]
