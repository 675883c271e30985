"""The conformance suite of the host in real containers, on each OCI runtime that is tested."""

import pytest

from adapters.container.adapter import ContainerAdapter
from adapters.container.settings import ContainerSettings
from host.interface import AdapterContext
from host.testing import AdapterConformance
from tests.adapters.container.every_image import build_all

pytestmark = pytest.mark.engine


class _WithImages(ContainerAdapter):
    """The adapter, and the images of this version for what this machine has."""

    async def start(self, context: AdapterContext) -> None:
        await build_all(ContainerSettings.read(context.settings))
        await super().start(context)


class _InContainers(AdapterConformance):
    must_accept = ("*",)

    @classmethod
    def make_adapter(cls) -> ContainerAdapter:
        return _WithImages()


class TestContainerOnRunc(_InContainers):
    """The adapter container, on runc."""

    settings = {"runtime": "runc", "start_timeout_ms": 60_000}


class TestContainerOnCrun(_InContainers):
    """The adapter container, on crun."""

    settings = {"runtime": "crun", "start_timeout_ms": 60_000}
